"""A subset of a harvest's examples as inputs of their own, numbered from 0, without a copy of their
data.

Cost: a few numbers an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.batch import Batch
from inscape.core.token_table import Picked
from inscape.store.inputs import Inputs
from inscape.store.prefix_sharing import Sharing


class SubsetInputs(Inputs):
    """A subset of the examples; see `inscape.store.inputs.Inputs`.

    Args:
        inputs: all of them.
        members: which, (k,) int64.
    """

    def __init__(self, inputs: Inputs, members: np.ndarray) -> None:
        self._of, self._members = inputs, members
        self.text, self.reduce, self.data = inputs.text, inputs.reduce, inputs.data
        self.lengths, self.rows = inputs.lengths[members], inputs.rows[members]
        self.example_bytes, self.switches = inputs.example_bytes, inputs.switches
        self.tokens = Picked(inputs.tokens, members) if inputs.text else ()
        if inputs.sharing is not None:
            self.sharing = Sharing(inputs.sharing.common, inputs.sharing.of[members])

    def __len__(self) -> int:
        return len(self._members)

    @cached_property
    def table(self) -> pd.DataFrame:  # type: ignore[override]
        """Rows of the table of all examples, made when they are asked for: of many they are a
        lot.
        """
        return self._of.table.iloc[self._members].reset_index(drop=True)

    def positions(self, i: int) -> np.ndarray:
        return self._of.positions(int(self._members[i]))

    def ids(self, i: int) -> np.ndarray:
        return self._of.ids(int(self._members[i]))

    def key(self, i: int) -> bytes:
        return self._of.key(int(self._members[i]))

    def kinds(self, members: np.ndarray) -> np.ndarray:
        return self._of.kinds(self._members[members])

    def number(self, i: int) -> int:
        return self._of.number(int(self._members[i]))

    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        return self._of.batch(model, self._members[np.asarray(members)])

    def cut(self, members: np.ndarray) -> Inputs:
        return self._of.cut(self._members[members])
