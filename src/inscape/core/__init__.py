"""Tools that all the rest is made of: records, numbers with their nulls and intervals, and what
is computed from them. It imports nothing of the other packages.
"""

from inscape.core.exports import export

export(__name__)
