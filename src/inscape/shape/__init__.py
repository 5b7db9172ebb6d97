"""What form a representation has: spectra, ranks, dimensions, isotropy and class geometry, one
method a file.

Every public name of the files is offered here (``inscape.shape.participation_ratio``) and loads on
first use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
