"""How representations are learned: a training loop, learning rules and objectives.

Every public name of the files is offered here (``inscape.learn.fit``) and loads on first use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
