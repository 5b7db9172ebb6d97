"""Run a study: settings resolved, folder made, study called, folder closed.

``inscape run`` and `run_study` are the same thing; a run's numbers depend on the study, its
configuration and its seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from inscape.core.errors import StudyError
from inscape.study import config as configs
from inscape.study.discover import load_study
from inscape.study.environment import command_line, environment
from inscape.study.folder import create
from inscape.study.recording import recording


def run_study(
    slug: str,
    preset: str = "small",
    out: Path | str | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    model: str | None = None,
    data: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Path:
    """Run a study and return the folder it left.

    Args:
        slug: the study, as `inscape list` names it.
        preset: ``"tiny"`` (seconds, no download), ``"small"`` (minutes on two cores) or ``"full"``.
        out: the run folder, which must be new or empty; None for ``runs/<slug>-<preset>-<time>``.
        seed: the run's one seed; None for the configuration's own, or 0.
        settings: fields of the study's ``Config`` to change.
        model: what to open instead of the preset's model, for studies that take one.
        data: what to load instead of the preset's data, for studies that take it.
        columns: which columns of the data are ``input``, ``labels`` (separated by commas) and
            ``group``, for studies that take these.

    Raises:
        StudyError: an unknown study, preset or setting, or a seed beyond 64 bits.
        RunError: the folder is taken or cannot be written.
    """
    study = load_study(slug)
    config = plain = configs.preset(study, preset)
    flags = {"model": model, "data": data, **(columns or {})}
    config = configs.with_flags(config, study.card.slug, flags, seed=seed)
    config = configs.override(config, settings or {})
    if "seed" in (settings or {}) and seed is not None:
        raise StudyError("The seed is given twice, by --seed and by --set seed=…; give one.")
    chosen = getattr(config, "seed", None) if seed is None or hasattr(config, "seed") else seed
    if not -(2**63) <= int(chosen or 0) < 2**63:
        raise StudyError(f"A seed lies between −2^63 and 2^63 − 1; {chosen} does not.")
    folder = create(out, study.card.slug, preset, datetime.now())
    with recording(
        folder,
        study,
        config,
        preset=preset,
        seed=int(chosen or 0),
        command=command_line(),
        environment=environment(),
        changed=configs.differences(config, plain),
    ) as run:
        study.run(config, run)
    return folder.path
