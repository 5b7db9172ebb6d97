"""The engine of one process, and the job that every engine is given.

A job says all that a shard depends on; an engine yields a job's shards in the order asked for,
wherever it computes them. What takes them (the one writer of a store, or sums of moments) does not
know which engine it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from inscape.core.site import Site
from inscape.store.capture import Shard, capture
from inscape.store.inputs import Inputs

#: called with the rows and the padded tokens that were made
Report = Callable[[int, int], None]
#: a half-open range of examples
Span = tuple[int, int]


@dataclass(frozen=True)
class Job:
    """What a harvest computes, but for which examples.

    Attributes:
        model: runs batches.
        inputs: what is fed in and which positions are kept.
        sites: what is captured.
        wide: width of each site.
        dtype: what is kept: ``float32``, ``bfloat16`` or ``float16``.
        budget: padded tokens a batch.
        overhead: what a pass costs besides, in tokens.
        nonfinite: ``"refuse"`` or ``"keep"``.
    """

    model: Any
    inputs: Inputs
    sites: Sequence[Site]
    wide: dict[Site, int]
    dtype: str
    budget: int
    overhead: int
    nonfinite: str

    @property
    def settings(self) -> dict[str, Any]:
        """All of it but the model and the inputs, by the names of
        `inscape.store.capture.capture`.
        """
        names = ("wide", "dtype", "budget", "overhead", "nonfinite")
        return {name: getattr(self, name) for name in names}


class Engine(ABC):
    """Computes shards."""

    @abstractmethod
    def device(self, model: Any) -> str:
        """The kind of device that computes: ``cpu``, ``cuda`` …"""

    @abstractmethod
    def shards(
        self, job: Job, spans: Sequence[Span], report: Report
    ) -> Generator[Shard, None, None]:
        """The shards of ranges of examples, in order; each range is computed at least once and
        yielded once.
        """


class Local(Engine):
    """In this process, on the device where the model is."""

    def device(self, model: Any) -> str:
        """The model's own."""
        return str(model.device.type)

    def shards(
        self, job: Job, spans: Sequence[Span], report: Report
    ) -> Generator[Shard, None, None]:
        """One after the other."""
        for span in spans:
            yield capture(job.model, job.inputs, job.sites, span, **job.settings, report=report)
