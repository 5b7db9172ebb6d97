"""Any network seen as named sites: open it, prove what its names mean, capture and edit. Families
are tables of facts.
"""

from inscape.core.exports import export

export(__name__)
