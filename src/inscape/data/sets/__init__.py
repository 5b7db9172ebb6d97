"""The built-in data sets, one loader file each: ``CARD`` says what it is, ``load(limit)`` gives its
`Examples`.
"""
