"""What a language model answers, one value an item: graded answers, contrasts, options, token
losses, side effects.

Each is measured with or without edits and stores no activations; answers that were generated are
kept in the cache.
"""

from inscape.core.exports import export

export(__name__)
