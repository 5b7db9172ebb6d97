"""Model: any network seen as named sites. Three verbs: `sites`, `run`, `generate`.

Sites and passes are those of `inscape.model.network`; here stands what rests on them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from inscape.core.edit import Edit, as_edits
from inscape.model.certificate import certify
from inscape.model.generate import generate
from inscape.model.network import Network
from inscape.model.untrained import untrained


class Model(Network):
    """A network with names for its insides. Made by `inscape.open`; `Model(net)` wraps a live
    module uncertified.

    Args and attributes are those of `inscape.model.network.Network`.
    """

    def tower(self, name: str) -> Model:
        """Another stack of the same network, as a certified model over the same weights.

        Args:
            name: one of `towers`: ``decoder``, ``text``.

        Raises:
            ModelError: there is no such stack.
        """
        made = Model(self.net, self.tokenizer, f"{self.name} ({name})", tower=name)
        made.source, made.processor = dict(self.source), self.processor
        made.origin = None if self.origin is None else {**self.origin, "tower": name}
        certify(made)
        return made

    def generate(
        self,
        prompts: str | Sequence[Any],
        max_new_tokens: int = 32,
        *,
        edits: Edit | Sequence[Edit] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        """Continuations of prompts, greedy by default, under edits; see
        `inscape.model.generate`.
        """
        return generate(
            self, prompts, max_new_tokens, [*self.edits, *as_edits(edits)], temperature, seed
        )

    def untrained(self, seed: int = 0) -> Model:
        """The same architecture with fresh weights, drawn as its own code initialises it; the null
        of a trained one.
        """
        return Model(
            untrained(self.net, seed),
            self.tokenizer,
            f"{self.name} (untrained, seed {seed})",
            self.family,
        )

    def copied(self, note: str, dtype: torch.dtype | None = None) -> Model:
        """An uncertified copy whose weights may be changed, in another dtype if one is named; its
        name ends in the note.
        """
        net = copy.deepcopy(self.net)
        made = Model(
            net if dtype is None else net.to(dtype),
            self.tokenizer,
            f"{self.name} ({note})",
            self.family,
        )
        made.source = dict(self.source)
        return made
