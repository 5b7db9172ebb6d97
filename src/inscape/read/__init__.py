"""What a representation holds: probes, lenses, relations, neurons and detectors, one method a file.

Every public name of the files is offered here (``inscape.read.LogisticProbe``) and loads on first
use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
