"""What every probe, every eraser and every lens can do, whoever wrote it.

    probe.fit(X, y, groups=None)     probe.predict(X)       probe.score(X, y)      learns what can be read
    eraser.fit(X, y)                 eraser.transform(X)    eraser.edit(scope)     learns what to take out
    Kind.fit(model, texts)           lens.read(readout, site, h)                   says what a state would come out as

Probes and erasers are scikit-learn estimators of arrays; an eraser's `edit` does inside a network
what `transform` does to rows. A class of one's own that has these methods goes wherever those of
the library go; nothing has to be inherited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from inscape.core.edit import Edit, Scope


@runtime_checkable
class Probe(Protocol):
    """Reads a label or a quantity from representations."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> Any:
        """Learn from rows; where `groups` are given, what is chosen inside is chosen with whole
        groups held out.
        """
        ...

    def predict(self, X: Any) -> Any:
        """A label or a quantity for each row."""
        ...

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy, or R²."""
        ...


@runtime_checkable
class Eraser(Protocol):
    """Takes a label out of representations."""

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from rows and their labels what has to go."""
        ...

    def transform(self, X: Any) -> Any:
        """The rows without it; their labels are not needed."""
        ...

    def edit(self, scope: Scope) -> Edit:
        """The same inside a forward pass."""
        ...


@runtime_checkable
class Oracle(Protocol):
    """An eraser that is told the labels of the rows that it erases: a bound for others, and nothing
    for a network.
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from rows and their labels."""
        ...

    def transform(self, X: Any, y: Any) -> Any:
        """The rows without their labels."""
        ...


@runtime_checkable
class Lens(Protocol):
    """Reads inner states as next-token predictions."""

    @classmethod
    def fit(cls, model: Any, texts: Sequence[str]) -> Any:
        """The lens of a model, learnt on texts; one with nothing to learn looks at neither."""
        ...

    def read(self, readout: Any, site: str, h: Any, final: Any = None, *, k: int = 10) -> Any:
        """What states say.

        Args:
            readout: the network's last norm and unembedding (`inscape.model.unembed.Readout`).
            site: where the states stand: ``resid_post.3``.
            h: states, (n, d).
            final: states of the last layer for the same rows, to compare with.
            k: how many of the likeliest entries.

        Returns:
            A `inscape.read.logit_lens.Reading`.
        """
        ...
