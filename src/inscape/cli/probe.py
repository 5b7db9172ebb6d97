"""``inscape probe MODEL|STORE [DATA]``: test whether labels of your own data can be read from a
model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.opening import Compiled, Device, Dtype, RemoteCode, open_model, sized_seed
from inscape.cli.outcome import outcome, show_outcome
from inscape.cli.printing import emit
from inscape.cli.run import drawn_report, followed

EPILOG = """Examples:

\b
  inscape probe smollm2-135m mine.csv --input text --labels score --group author
  inscape probe smollm2-135m mine.csv --input text --labels topic,score --to topics
  inscape probe mine.store --labels score
"""


def probe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|STORE", help="A model, as for 'inscape certify', or a harvested store."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="A built-in set or a file; leave it out with a store."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--input", help="The column that the model reads.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Columns to predict, separated by commas. Default: all numeric columns."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Grouping column for cross-validation: author, document, template."),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            help="auto (text and 0/1 labels: classification), classification or regression."
        ),
    ] = "auto",
    at: Annotated[
        str, typer.Option(help="Which position: last, first, mean, mean-all, span:NAME, -1.")
    ] = "last",
    sites: Annotated[
        str, typer.Option(help="Sites to read, as patterns: 'resid_post.*', 'mlp_out.3:7'.")
    ] = "embed, resid_post.*",
    prompt: Annotated[
        str | None, typer.Option(help="A template with one {} in place of the text.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N examples.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Run folder, new or empty. Default: runs/probe-LABEL-TIME.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 5,
    shuffles: Annotated[
        int,
        typer.Option(
            min=19, help="Label shuffles of the null; the smallest p is 1/(shuffles + 1)."
        ),
    ] = 100,
    seed: Annotated[int, typer.Option(callback=sized_seed, help="Seed of folds and shuffles.")] = 0,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the log.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Test whether labels can be read from a model's activations.

    A linear probe at every site, scored on held-out rows. It is compared with shuffled labels and
    with character n-grams of the input. Draws a report.
    """
    from inscape.store import manifest
    from inscape.workbench import probe as probing

    names = None if labels is None else [n.strip() for n in labels.split(",") if n.strip()]
    given = {"input": column, "labels": names, "group": group, "task": task, "sites": sites}
    if task not in ("auto", "classification", "regression"):
        raise typer.BadParameter(
            f"auto, classification or regression, not {task!r}", param_hint="'--task'"
        )
    stored = Path(model).is_dir() and manifest.present(model)
    opened = (
        model
        if stored or data is None
        else open_model(model, device, dtype, trust_remote_code, compiled)
    )
    with followed(quiet):
        found = probing.probe(
            opened,
            data,
            at=at,
            prompt=prompt,
            limit=limit,
            folds=folds,
            shuffles=shuffles,
            seed=seed,
            **given,
        )
        path = found.save(to)
    shown = outcome(path)
    shown["report"] = str(drawn_report(path))
    emit(shown) if as_json else show_outcome(shown)
