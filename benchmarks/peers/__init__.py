"""Harvesting every residual site at the last token, beside the plain loop, TransformerLens and
nnsight.
"""

from benchmarks.peers.compare import run

__all__ = ["run"]
