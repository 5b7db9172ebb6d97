"""Open what a study is asked to run on: a model and data, or a toy world that has both.

``--model`` and ``--data`` name a pretrained model and a set or table, or both name one world,
``world:NAME``, which is trained on the spot (`inscape.worlds.named`). Data are loaded and checked
before a model is fetched. The model's name is a fact that the card's answer can name, ``{model}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from inscape.core.errors import DataError, StudyError
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.study.config import own_columns
from inscape.study.run import Run
from inscape.worlds.named import called, examples_of, is_world, world


@dataclass(frozen=True)
class Needs:
    """What a study needs of its data.

    Attributes:
        columns: columns that must be there.
        labels: ``"any"``; ``"numbers"`` to predict; or ``"one"`` label, where some are named.
        group: the grouping column of a table of one's own.
        spans: the spans of a table of one's own, each with its start and end columns.
        grouped: warn where the data has no group.
        limit: load the first so many rows; 0 for all.
        world: the record of the only toy world that has what the study needs; None where any will
            do.
    """

    columns: tuple[str, ...] = ()
    labels: Literal["any", "numbers", "one"] = "any"
    group: str = ""
    spans: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    grouped: bool = False
    limit: int = 0
    world: type | None = None


class Opened(NamedTuple):
    """What was opened.

    Attributes:
        model: the network; its certificate is in the run.
        examples: the data, as needed.
        world: the toy world's record, which knows the truth; None for a model from elsewhere.
    """

    model: Model
    examples: Examples
    world: Any = None


def opened(
    config: Any,
    run: Run,
    needs: Needs | None = None,
    made: Mapping[str, Callable[[], Examples]] | None = None,
) -> Opened:
    """The model and the data that a configuration names.

    Args:
        config: has ``model`` and ``data``, and may have ``input``, ``labels`` and ``group``.
        run: keeps the certificate, and gives worlds their seed.
        needs: what is checked of the data.
        made: data that the study makes itself, by the name that ``data`` gives.

    Raises:
        StudyError: a world is to go with another model or other data.
        DataError: the data lack what the study needs.
    """
    needs = needs or Needs()
    named = {name for name in (config.model, config.data) if is_world(name)}
    if named:
        if {config.model, config.data} != named or len(named) > 1:
            raise StudyError(
                f"{sorted(named)[0]!r} is a toy network with data of its own, which goes with no "
                "other model or data: give both --model and --data."
            )
        found = world(config.model, run.seed)
        if needs.world is not None and not isinstance(found, needs.world):
            raise StudyError(
                f"{config.model!r} is no toy for this study, which asks of a "
                f"{needs.world.__name__}; see its preset tiny."
            )
        _log(run, config.model, found)
        examples = examples_of(found)
        if examples is None:
            raise StudyError(f"{config.model!r} has no examples, which this study needs.")
        model = found.model
    else:
        found = None
        examples = _loaded(config, needs, made or {})
    _check(config, examples, needs)
    if found is None:
        model = open(config.model)
    if needs.grouped and examples.group is None:
        run.warn(
            "The rows have no column 'group', so each counts as its own: rows that are alike may "
            "be on both sides."
        )
    if model.certificate is not None:
        run.certificate(model.certificate)
    run.facts(model=model.name)
    return Opened(model, examples, found)


def _loaded(config: Any, needs: Needs, made: Mapping[str, Callable[[], Examples]]) -> Examples:
    if config.data in made:
        return made[config.data]()
    own: dict[str, Any] = {"group": needs.group} if needs.group else {}
    if needs.spans:
        own["spans"] = needs.spans
    return load(config.data, **{**own, **own_columns(config)}, limit=needs.limit or None)


def _check(config: Any, examples: Examples, needs: Needs) -> None:
    missing = [c for c in needs.columns if c not in examples.frame]
    if missing:
        raise DataError(
            f"{config.data!r} has no column {' nor '.join(map(repr, missing))}; this study needs a "
            f"table with columns {', '.join(needs.columns)}."
        )
    if needs.labels == "numbers":
        examples.target()
    if needs.labels == "one" and not examples.labels:
        raise DataError(
            f"{config.data!r} has no label; give a table with a column of labels and name it with "
            "--labels."
        )
    if needs.labels == "one" and len(examples.labels) > 1 and getattr(config, "labels", ()):
        raise DataError(
            f"This study asks of one label, got {', '.join(examples.labels)}; name one with "
            "--labels."
        )


def _log(run: Run, name: str, found: Any) -> None:
    """What the toy network has learnt: the numbers in the world's record."""
    numbers = [f"{k} {v:.3g}" for k, v in vars(found).items() if isinstance(v, float)]
    run.log("%s: %s", called(name).name, ", ".join(numbers) or "made by hand")
