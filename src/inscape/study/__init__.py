"""What a study is: a card, a frozen configuration with presets, and a function that measures and
claims.

`discover` finds studies, `config` settles their settings, `runner` runs one, and `run` is the
recorder that the study writes its run folder with.
"""

from inscape.core.exports import export

export(__name__)
