"""Fields: networks from coordinates to values, and how well they fit a signal.

Every public name of the files is offered here (``inscape.fields.Field``) and loads on first use.
"""

from inscape.core.exports import export

export(__name__, methods=True)
