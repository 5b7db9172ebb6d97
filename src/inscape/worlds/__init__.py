"""Testbeds whose ground truth is known: small worlds, and small networks trained in them on the
spot.
"""

from inscape.core.exports import export

export(__name__)
