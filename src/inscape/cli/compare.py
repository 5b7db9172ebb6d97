"""``inscape compare MODEL_A MODEL_B``: whether two models represent the same items alike, layer by
layer, as a report.
"""

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
  inscape compare smollm2-135m minilm-l6 --data mine.csv --input text
  inscape compare base-checkpoint tuned-checkpoint --data reviews --at mean --to base-and-tuned
  inscape compare one.store other.store
"""


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_A|STORE_A", help="A model, a checkpoint's folder, or a store."
        ),
    ],
    second: Annotated[
        str, typer.Argument(metavar="MODEL_B|STORE_B", help="What it is compared with.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="A built-in set or a file; not with two stores, which have their own."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--input", help="The column that the models read.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="A column whose rows stay together in permutations.")
    ] = None,
    at: Annotated[
        str, typer.Option(help="Which position: last, first, mean, span:NAME, -1.")
    ] = "last",
    sites: Annotated[
        str, typer.Option(help="Sites to compare, as patterns: 'resid_post.*', 'mlp_out.3:7'.")
    ] = "embed, resid_post.*",
    prompt: Annotated[
        str | None, typer.Option(help="A template with one {} in place of the text.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N examples.")] = None,
    items: Annotated[
        int, typer.Option(min=40, help="Compare at most N items, drawn at random.")
    ] = 1000,
    permutations: Annotated[
        int,
        typer.Option(
            min=19, help="Permutations of the null; the smallest p is 1/(permutations + 1)."
        ),
    ] = 199,
    to: Annotated[
        Path | None, typer.Option(help="Run folder, new or empty. Default: runs/compare-TIME.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            callback=sized_seed, help="Seed of permutations, folds and the choice of items."
        ),
    ] = 0,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the log.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Compare two models, checkpoints or stores on the same items.

    Layer × layer maps by four measures, each with its permutation null. The most similar pair of
    layers is judged by the most similar pair of permuted items, and a card says which measures
    agree there and why others do not. Draws a report.
    """
    from inscape.store import manifest
    from inscape.study.progress import progress
    from inscape.workbench.compare import compare_models

    sides = [
        side
        if Path(side).is_dir() and manifest.present(side)
        else open_model(side, device, dtype, trust_remote_code, compiled)
        for side in (first, second)
    ]
    with followed(quiet), progress("compare", unit="measures") as bar:
        found = compare_models(
            *sides,
            data,
            input=column,
            group=group,
            sites=sites,
            at=at,
            prompt=prompt,
            limit=limit,
            items=items,
            permutations=permutations,
            seed=seed,
            progress=lambda *_: bar.advance(),
        )
        path = found.save(to)
    shown = outcome(path)
    shown["comparison"] = found.to_dict()
    shown["report"] = str(drawn_report(path))
    emit(shown) if as_json else show_outcome(shown)
