"""Representations changed: steering, erasure, patching and causal abstraction, one method a file.

Every public name of the files is offered here (``inscape.control.LeaceEraser``) and loads on first
use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
