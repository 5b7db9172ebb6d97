"""Architectures: how tokens are mixed, and small networks to compare that in.

Every public name of the files is offered here (``inscape.nets.TaylorShift``) and loads on first
use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
