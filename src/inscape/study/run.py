"""The recorder handed to a study: what it measures goes into the run folder as it comes, whole file
by whole file.

::

    RUN/run.json  certificates.json  claims.json  tables/  figures/  arrays/  log.txt  done

``run.json`` is rewritten after every record, so a run that is interrupted or fails keeps what it
had, says why under ``failed``, and has no ``done``. Reports read these folders and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.curves import curves
from inscape.charts.frame import titled
from inscape.charts.layers import score_by_layer
from inscape.core.errors import StudyError, suggest
from inscape.core.evidence import Evidence, table
from inscape.core.home import home
from inscape.core.measured import Measured
from inscape.core.rng import generator
from inscape.core.typeset import typeset
from inscape.probing.frames import lines
from inscape.study import claims, contents
from inscape.study.card import Claim
from inscape.study.folder import Folder
from inscape.study.progress import Advance, progress

logger = logging.getLogger("inscape.study")

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")


def bars_of(found: Sequence[Evidence], by: str) -> Any:
    """Evidence as bars: value, interval, and a tick where the null's mean is, or the number beside
    it.

    Args:
        found: pieces of evidence of one unit.
        by: the coordinate that names a bar.
    """
    rows = []
    for e in found:
        low, high = e.ends
        row = {"group": e.where[by], "value": e.value, "low": low, "high": high}
        tick = [e.null.mean] if e.null is not None else [b.value for b in e.beside]
        rows.append({**row, "null": tick[0] if tick else None})
    return values_by_group(pd.DataFrame(rows), value=found[0].name, unit=found[0].unit)


def _ticks(found: Sequence[Evidence], caption: str) -> str:
    """What the ticks of `bars_of` are, where there are any and the caption says nothing of them."""
    if "tick" in caption.lower():
        return ""
    nulls = dict.fromkeys(e.null.kind for e in found if e.null is not None)
    others = dict.fromkeys(e.beside[0].name for e in found if e.null is None and e.beside)
    kinds = [*([f"the mean of the null ({', '.join(nulls)})"] if nulls else []), *others]
    return f" Tick: {', or '.join(kinds)}." if kinds else ""


class Run:
    """What a study writes to.

    Attributes:
        path: the run folder.
        seed: the run's one seed; random numbers come from `rng`.
        cache: a folder for stores that several runs can share; made on first use.
    """

    def __init__(self, folder: Folder, record: dict[str, Any], cache: Path | None = None) -> None:
        self.path = folder.path
        self.seed = int(record["seed"])
        self._folder = folder
        self._record = record
        self._cache = cache or home("stores")
        self._claims: list[claims.Judged] = []
        self._certificates: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._facts: dict[str, Any] = {}

    @property
    def cache(self) -> Path:
        """A folder for stores shared between runs, made if it is not there."""
        self._cache.mkdir(parents=True, exist_ok=True)
        return self._cache

    @property
    def identity(self) -> str:
        """The same for two runs of one study with the same code, settings and seed: names what they
        can share.
        """
        parts = [str(self._record.get(k)) for k in ("study", "code", "config_hash", "seed")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    @property
    def claims(self) -> dict[str, claims.Judged]:
        """The claims judged so far, by id."""
        return {c.id: c for c in self._claims}

    def rng(self, *names: str) -> np.random.Generator:
        """The random stream of that name under the run's seed; a new name changes no other
        stream.
        """
        return generator(self.seed, *names)

    def asked(self, text: str) -> None:
        """The question, in plain words, as the report's first sentence."""
        self._sentence("asked", text)

    def answer(self, text: str) -> None:
        """The answer in one paragraph, computed from the numbers."""
        self._sentence("answer", text)

    def facts(self, **values: Any) -> None:
        """What the card's answer names beside its claims: the model, the chosen layer, a count."""
        self._facts |= values

    def table(self, name: str, rows: pd.DataFrame | Sequence[Evidence], caption: str) -> None:
        """Keep a table (Parquet): a frame, or pieces of evidence, one a row. A frame's named index
        becomes columns; an unnamed one is row order only and is dropped.
        """
        frame = rows if isinstance(rows, pd.DataFrame) else table(rows)
        data = contents.parquet(name, frame)
        self._folder.write(f"{self._take('tables', name)}.parquet", data)
        self._section("table", name, caption, rows=len(frame))

    def figure(
        self,
        name: str,
        chart: Any,
        caption: str,
        frame: pd.DataFrame | Sequence[Evidence] | None = None,
    ) -> None:
        """Keep a figure: an Altair chart, or a Vega-Lite specification with its data inside.

        Args:
            name: of the figure.
            chart: the chart or specification.
            caption: what is seen.
            frame: the numbers, kept as a table of the same name: a frame, or pieces of evidence.

        Raises:
            ValueError: not a Vega-Lite specification, or one that refers to data elsewhere.
        """
        spec = contents.vega_lite(name, chart)
        self._folder.write_json(f"{self._take('figures', name)}.json", spec)
        self._section("figure", name, caption)
        if frame is not None:
            self.table(name, frame, "The same numbers.")

    def show(
        self,
        name: str,
        measured: Measured | Sequence[Evidence],
        caption: str = "",
        *,
        by: str = "condition",
        null: str = "",
    ) -> None:
        """Keep a measurement as a table and as bars with their intervals, drawn from its names,
        units and roles.

        Args:
            name: of the table and of the figure.
            measured: conditions measured on the same items, or pieces of evidence.
            caption: what is seen; made from the measurement's name where none is given.
            by: the coordinate that names a bar.
            null: the null that treatments are tested against.
        """
        found = measured.evidence(null, by) if isinstance(measured, Measured) else list(measured)
        caption = caption or f"{found[0].name[:1].upper()}{found[0].name[1:]} by {by}."
        marks = f"Lines are 95 % intervals over groups.{_ticks(found, caption)}"
        self.figure(name, bars_of(found, by), f"{caption} {marks}")
        self.table(name, found, caption)

    def curve(
        self,
        name: str,
        found: Sequence[Evidence],
        caption: str,
        *,
        x: str,
        series: str = "condition",
        nulls: Sequence[str] = (),
    ) -> None:
        """Keep evidence over a quantity as a table and as lines with their intervals.

        Args:
            name: of the table and of the figure.
            found: pieces of evidence of one unit.
            caption: what is seen.
            x: the coordinate that is the quantity, a number; the title of the axis.
            series: the coordinate that names a line.
            nulls: lines that are drawn in grey.
        """
        rows = [
            {"series": e.where[series], "x": e.where[x], "value": e.value}
            | dict(zip(("low", "high"), e.ends, strict=True))
            for e in found
        ]
        chart = curves(
            pd.DataFrame(rows),
            x=x,
            y=titled(found[0].name, found[0].unit),
            nulls=nulls,
            points=True,
        )
        self.figure(name, chart, f"{caption} Bands are 95 % intervals over groups.")
        self.table(name, found, caption)

    def layers(
        self,
        name: str,
        found: Sequence[Evidence],
        caption: str,
        *,
        series: str = "condition",
        layer: str = "Layer",
        nulls: Sequence[str] = (),
    ) -> None:
        """Keep evidence by layer as a table and as lines with their intervals.

        Args:
            name: of the table and of the figure.
            found: pieces of evidence of one unit, whose coordinates hold `series` and ``layer`` or
                ``site``, and ``target`` where there is a panel for each.
            caption: what is seen.
            series: the coordinate that names a line.
            layer: title of the axis.
            nulls: lines that are drawn in grey.
        """
        score = titled(found[0].name, found[0].unit)
        frame = lines(found, series)
        # several panels stand two in a row: as high as one alone they would be drawn small
        height = 200 if "target" in frame else 280
        chart = score_by_layer(frame, score=score, layer=layer, nulls=nulls, height=height)
        self.figure(name, chart, f"{caption} Bands are 95 % intervals over groups.")
        self.table(name, found, caption)

    def text(self, name: str, markdown: str) -> None:
        """Keep a paragraph or more of Markdown, shown where it was recorded among tables and
        figures.
        """
        self._take("texts", name)
        self._section("text", name, "", markdown=markdown)

    def arrays(self, name: str, arrays: Mapping[str, Any], caption: str = "") -> None:
        """Keep NumPy arrays or tensors by name (safetensors)."""
        data = contents.safetensors(name, arrays)
        self._folder.write(f"{self._take('arrays', name)}.safetensors", data)
        shapes = {k: list(v.shape) for k, v in arrays.items()}
        self._record["arrays"].append({"name": name, "caption": caption, "shapes": shapes})
        self.save()

    def claim(self, id: str, evidence: Evidence, why: str = "") -> bool:
        """Judge a claim of the card on its evidence and keep it, whatever its verdict.

        Args:
            id: the claim's id in the card.
            evidence: what was measured.
            why: a sentence for the reader of this run.

        Returns:
            Whether the claim is supported so far; claims that follow can only make the correction
            stricter.

        Raises:
            StudyError: the card has no such claim.
            ValueError: a claim is judged twice.
        """
        if id in self.claims:
            raise ValueError(
                f"Run.claim: there is already a claim {id!r} in this run; give this one another id"
            )
        claim = self._card_claim(id)
        self._claims = claims.judge([*self._claims, claims.Judged(id, claim, evidence, why)])
        self._folder.write_json("claims.json", [c.to_dict() for c in self._claims])
        made = self._claims[-1]
        self.log(f"claim {id}: {made.verdict}: {claims.sentence(made.to_dict())}")
        for warning in evidence.warnings:
            self.warn(warning)
        return made.supported

    def conclude(self) -> None:
        """Write the card's answer, a template over claims and facts, where the study gave none.

        Raises:
            StudyError: the template names what is neither a claim of this run nor a fact.
        """
        template = (self._record["card"] or {}).get("answer") or ""
        if template and not self._record["answer"]:
            try:
                filled = template.format_map({**self._facts, **self.claims})
                self.answer(typeset(filled))
            except KeyError as missing:
                raise StudyError(
                    f"The card's answer names {missing}, which is neither a claim of this run nor "
                    "one of its facts."
                ) from missing

    def _card_claim(self, id: str) -> Claim:
        have = (self._record["card"] or {}).get("claims") or {}
        if id not in have:
            raise StudyError(f"The card has no claim {id!r}. {suggest(id, have)}")
        return Claim(**have[id])

    def certificate(self, certificate: Any) -> None:
        """Keep the checks of a model: a certificate, or the dict it gives."""
        record = certificate if isinstance(certificate, Mapping) else certificate.to_dict()
        if record not in self._certificates:
            self._certificates.append(dict(record))
        self._folder.write_json("certificates.json", self._certificates)

    def warn(self, sentence: str) -> None:
        """A sentence that a reader of the report must see; said once however often it is given."""
        if sentence in self._record["warnings"]:
            return
        self._record["warnings"].append(sentence)
        self.save()
        self.log(f"warning: {sentence}")

    def log(self, message: str, *values: object) -> None:
        """A line in ``log.txt`` and on the logger ``inscape.study``; `values` are put in as
        by %.
        """
        line = message % values if values else message
        logger.info("%s", line)
        self._folder.append("log.txt", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}")

    def progress(
        self, description: str, total: int | float | None = None, unit: str = "steps"
    ) -> AbstractContextManager[Advance]:
        """A progress bar with rate and remaining time; use
        ``with run.progress(…) as bar: bar.advance()``.
        """
        return progress(description, total, unit)

    def each(self, description: str, items: Collection[T], unit: str = "steps") -> Iterator[T]:
        """The items one after another, under a progress bar.

        Args:
            description: what is done with them.
            items: any collection; its length is the bar's.
            unit: what an item is.
        """
        with self.progress(description, len(items), unit) as bar:
            for item in items:
                yield item
                bar.advance()

    def _sentence(self, field: str, text: str) -> None:
        if not text.strip():
            raise ValueError(f"Run.{field}: needs a sentence, got {text!r}")
        self._record[field] = text.strip()
        self.save()

    def _take(self, kind: str, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"names in a run are lower-case letters, digits, '-', '_' and '.', got {name!r}"
            )
        key = f"{kind}/{name}"
        if key in self._names:
            raise ValueError(f"there is already {key} in this run; give this one another name")
        self._names.add(key)
        return key

    def _section(self, kind: str, name: str, caption: str, **more: Any) -> None:
        self._record["sections"].append({"kind": kind, "name": name, "caption": caption, **more})
        self.save()

    def save(self) -> None:
        """Write ``run.json`` as it stands; every record does so itself."""
        self._folder.write_json("run.json", self._record)
