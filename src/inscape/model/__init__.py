"""Any network seen as named sites: open it, prove what its names mean, capture and edit. Families
are tables of facts.
"""
