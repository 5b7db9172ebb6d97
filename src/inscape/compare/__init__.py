"""Do two representations agree? Similarities, distances, alignments and their inference, one method
a file.

Every public name of the files is offered here (``inscape.compare.linear_cka``) and loads on first
use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
