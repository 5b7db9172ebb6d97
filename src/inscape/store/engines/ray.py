"""The engine of many processes: shards computed by workers of a Ray cluster, each of which owns one
device.

Shards are handed out in order, at most two to a worker at a time, and come back in any; they are
yielded in order, so that the one writer, which stays here, commits what a local harvest would
commit. A shard depends on nothing but the job, so one whose worker died is computed again by
another. Nothing is handed out further than `AHEAD` shards a worker beyond the one that is waited
for: memory is bounded by the workers, never by the data.

Cost: each worker opens the model once; vectors cross from worker to writer once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from inscape.core.errors import ClusterError, InscapeError
from inscape.store.capture import Shard
from inscape.store.engines import cluster
from inscape.store.engines.local import Engine, Job, Report, Span
from inscape.store.engines.part import cut
from inscape.store.engines.worker import Worker, facts, shipped, unpacked

log = logging.getLogger(__name__)

#: shards a worker beyond the one waited for that may be under way or back
AHEAD = 3
_HANDED = 2  # to one worker: one that it computes, one that it goes on with
_TRIES = 3  # workers that may die at one shard
_PATIENCE = 30.0  # seconds between two words about waiting


@dataclass(frozen=True)
class Ray(Engine):
    """On Ray.

    Attributes:
        address: ``ray://HOST:PORT``; None for ``RAY_ADDRESS``, or else a cluster of this machine's
            own.
        workers: how many; None for one an accelerator, or one a machine where the device is the
            CPU.
        place: the kind of device of workers; None for that of the model.
    """

    address: str | None = None
    workers: int | None = None
    place: str | None = None

    def device(self, model: Any) -> str:
        """The workers' own."""
        return self.place or str(model.device.type)

    def shards(
        self, job: Job, spans: Sequence[Span], report: Report
    ) -> Generator[Shard, None, None]:
        """In order, from workers that are started for this call and ended after it."""
        if not spans:
            return
        how, files = shipped(job.model)
        row, sent = sum(job.wide.values()) * 4, job.inputs.example_bytes
        shard = max(
            int(job.inputs.rows[slice(*s)].sum()) * row + (s[1] - s[0]) * sent for s in spans
        )
        memory = 2 * sum(map(len, files.values())) + ((self.workers or 1) * (AHEAD + 1) + 2) * shard
        cpus = max(self.workers or 1, torch.get_num_threads())
        with cluster.connected(self.address, cpus, memory) as ray:
            crew = Crew(ray, job, how, ray.put(files), self.device(job.model), self.workers)
            try:
                yield from crew.work(spans, report)
            finally:
                crew.dismiss()


@dataclass
class _Hand:
    """A worker as it is seen from here: its actor, whether its model is open, and the shards it
    has, oldest first.
    """

    actor: Any
    opening: Any
    where: str = ""
    shards: deque[int] = field(default_factory=deque)


class Crew:
    """The workers of one harvest.

    Args:
        ray: the module, connected.
        job: what is computed.
        how: how workers open the model; see `inscape.store.engines.worker.shipped`.
        files: a reference to the files of a live model.
        device: kind of device of each.
        count: how many workers; None for one an accelerator, or one a machine.

    Raises:
        ClusterError: the cluster has no such device.
    """

    def __init__(
        self, ray: Any, job: Job, how: dict[str, Any], files: Any, device: str, count: int | None
    ):
        self._ray, self._job = ray, job
        found = cluster.room(ray)
        if device == "cuda" and not found.gpus:
            raise ClusterError(
                "the Ray cluster has no GPU for workers; harvest with device='cpu', or add one."
            )
        self.count = count or (found.gpus if device == "cuda" else found.nodes)
        cpus = (
            1
            if device == "cuda"
            else max(1, found.cpus * found.nodes // max(self.count, found.nodes))
        )
        self._options = {
            "num_cpus": cpus,
            "num_gpus": 1 if device == "cuda" else 0,
            "max_restarts": 0,
        }
        self._threads = cpus
        config = getattr(job.model.net, "config", None)
        self._open = (how, files, device, getattr(config, "_attn_implementation", None))
        self._facts = facts(job.model)
        self._sites = list(job.sites)
        self._hands: list[_Hand] = []
        self._at: dict[
            Any, tuple[_Hand, int | None]
        ] = {}  # what is waited for: a shard, or a model being opened
        self._back: dict[int, dict[str, Any]] = {}
        self._deaths: dict[int, int] = {}

    def work(self, spans: Sequence[Span], report: Report) -> Iterator[Shard]:
        """The shards of ranges of examples, in order."""
        left = deque(range(len(spans)))
        while len(self._hands) < min(self.count, len(spans)):
            self._hire()
        for number in range(len(spans)):
            while number not in self._back:
                self._hand_out(left, number + AHEAD * self.count, spans)
                left.extendleft(sorted(self._wait(spans), reverse=True))
            found = self._back.pop(number)
            shard = unpacked(found, self._job.dtype)
            report(len(shard), found.pop("tokens"))
            yield shard

    def dismiss(self) -> None:
        """End the workers."""
        for hand in self._hands:
            self._ray.kill(hand.actor)

    def _hire(self) -> None:
        actor = self._ray.remote(Worker).options(**self._options).remote(self._threads)
        hand = _Hand(actor, actor.open.remote(*self._open))
        self._hands.append(hand)
        self._at[hand.opening] = (hand, None)

    def _hand_out(self, left: deque[int], end: int, spans: Sequence[Span]) -> None:
        """Shards to those who have least to do, as far as `end`."""
        ready = [hand for hand in self._hands if hand.where]
        while left and left[0] < end and ready:
            hand = min(ready, key=lambda h: len(h.shards))
            if len(hand.shards) == _HANDED:
                return
            number = left.popleft()
            part = cut(self._job.inputs, spans[number])
            self._at[hand.actor.shard.remote(part, self._sites, self._job.settings)] = (
                hand,
                number,
            )
            hand.shards.append(number)

    def _wait(self, spans: Sequence[Span]) -> list[int]:
        """Wait for one thing to be done; gives the shards that must be handed out again."""
        done, _ = self._ray.wait(list(self._at), num_returns=1, timeout=_PATIENCE)
        if not done:
            busy = sum(1 for hand in self._hands if hand.where)
            log.info("waiting: %d of %d workers are up", busy, self.count)
            return []
        (one,) = done
        hand, number = self._at[one]
        errors = self._ray.exceptions
        try:
            found = self._ray.get(one)
        except errors.RayTaskError as error:
            if isinstance(error.cause, InscapeError):
                raise error.cause from None
            raise
        except (errors.RayActorError, errors.ObjectLostError) as error:
            return self._lost(hand, number, spans, error)
        del self._at[one]
        if number is None:
            self._admit(hand, found)
        else:
            hand.shards.remove(number)
            self._back[number] = found
        return []

    def _admit(self, hand: _Hand, told: dict[str, str]) -> None:
        """Take a worker whose model is the one that is harvested; another is refused."""
        if different := [name for name, fact in self._facts.items() if told[name] != fact]:
            raise ClusterError(
                f"the worker that is {told['where']} differs in {', '.join(different)} from this "
                "process, and its vectors would not be the same; install the same versions and "
                "open the same model everywhere."
            )
        hand.where = told["where"]
        log.info("worker %s has opened %s", hand.where, self._job.model.name)

    def _named(self, span: Span) -> tuple[int, int]:
        """What a shard's first and last example are called."""
        number = self._job.inputs.number
        return number(span[0]), number(span[1] - 1)

    def _lost(
        self, hand: _Hand, number: int | None, spans: Sequence[Span], error: Exception
    ) -> list[int]:
        """A worker is dead: its shards are for others, and another takes its place. One shard may
        not cost many.
        """
        first = hand.shards[0] if hand.shards else number
        deaths = self._deaths[-1 if first is None else first] = (
            self._deaths.get(-1 if first is None else first, 0) + 1
        )
        why = str(error).splitlines()[0]
        if deaths >= _TRIES:
            what = (
                "while opening the model"
                if first is None
                else "at examples {} to {}".format(*self._named(spans[first]))
            )
            raise ClusterError(
                f"{deaths} workers died {what}, the last with: {why} Out of memory is the usual "
                "cause: ask for a smaller budget, or for fewer workers on a machine."
            ) from error
        log.warning(
            "worker %s died; its shards are computed again",
            hand.where or "that was opening the model",
        )
        again = list(hand.shards)
        self._at = {ref: (other, n) for ref, (other, n) in self._at.items() if other is not hand}
        self._hands.remove(hand)
        self._ray.kill(hand.actor)
        self._hire()
        return again
