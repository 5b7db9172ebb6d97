"""Compile a model's blocks by `torch.compile`, and measure that they give what is written.

What is compiled gives other rounding. It is measured once, before it is used:

    max over residual sites and positions of ‖compiled − written‖ / ‖written‖ ≤ the certificate's tolerance

Cost: compiling, a quarter of a minute to some minutes, at the first passes; blocks of equal code
share it.
"""

from __future__ import annotations

from typing import Any

import torch

from inscape.core.errors import InscapeError, ModelError
from inscape.core.foreign import reason
from inscape.model.checks import TOLERANCE, examples_of
from inscape.model.compiled import CompiledBlocks
from inscape.model.invocation import invocation
from inscape.model.item import difference
from inscape.model.network import Network


def compiled_blocks(model: Network, backend: Any = "inductor") -> CompiledBlocks:
    """Compile a model's blocks and measure them; `Model.compiled` is where it is put to use.

    Args:
        model: of a known family.
        backend: torch.compile's, by name or as a function.

    Raises:
        ModelError: no family is known, nothing can be compiled here, or what was compiled gives
            other numbers.
    """
    if model.family is None:
        raise ModelError(
            f"{model.name} is of no known family, so its blocks are not known; open it without "
            "compile"
        )
    blocks = list(dict.fromkeys(model.atlas.blocks))
    inside = frozenset(m for block in blocks for m in block.modules()) - set(blocks)
    forwards = {
        block: torch.compile(block.forward, backend=backend, dynamic=True) for block in blocks
    }
    made = CompiledBlocks(backend, forwards, inside)
    sites = [s for s in model.sites if s.point in ("embed", "resid_post")]
    if not made.serves(model.atlas, sites):
        held = "an adapter that waits for tokens" if invocation(model.net) else "hooks of its own"
        raise ModelError(
            f"{model.name} has {held} in its blocks, which compiled code would not call; open it "
            "without compile"
        )
    gap = 0.0
    for batch in examples_of(model):
        model.compiled = None
        written = model.run(batch, sites)
        model.compiled = made
        try:
            found = model.run(batch, sites)
        except InscapeError:
            raise
        except Exception as error:  # whatever a compiler says: there may be none on this machine
            raise ModelError(
                f"{model.name} cannot be compiled here ({reason(error)}); open it without compile"
            ) from error
        finally:
            model.compiled = None
        gap = max(gap, *(difference(found[s], written[s]) for s in sites))
    tolerance = TOLERANCE.get(model.dtype, 1e-4)
    if gap > tolerance:
        raise ModelError(
            f"compiled, {model.name} gives other numbers (off by {gap:.2g}, and {tolerance:.2g} is "
            "allowed); open it without compile"
        )
    return CompiledBlocks(backend, forwards, inside, gap)
