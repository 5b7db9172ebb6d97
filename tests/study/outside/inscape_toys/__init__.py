"""A package from outside that brings studies of its own; importing it is recorded, because listing
must not.
"""
