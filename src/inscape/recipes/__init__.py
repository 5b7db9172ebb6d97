"""Networks that several studies train: what they are, what they hear or see, and how they are
trained, as arms of `inscape.study.arms`.

A study that trains a network of its own keeps it in its file; the second study that wants it moves
it here.
"""

from inscape.core.exports import export

export(__name__)
