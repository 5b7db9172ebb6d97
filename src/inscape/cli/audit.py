"""``inscape audit MODEL VECTOR --data DATA``: effect and side effects of a steering vector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.opening import Compiled, Device, Dtype, ModelName
from inscape.cli.outcome import outcome, show_outcome
from inscape.cli.printing import emit
from inscape.cli.run import drawn_report, followed
from inscape.cli.steer import VectorFile, strengths

EPILOG = """Examples:

\b
  inscape audit smollm2-135m cheer.gguf --data templated-sentiment
  inscape audit smollm2-135m cheer.gguf --data reviews --prompt '{} Overall, it was' --label positive
  inscape audit smollm2-135m formal.gguf --data mine.csv --label formal --score said --strength 4,8 --at 8
"""


def audit(
    model: ModelName,
    vector: VectorFile,
    data: Annotated[
        str, typer.Option(help="Labelled texts of both classes: a built-in set or a file.")
    ],
    label: Annotated[
        str | None, typer.Option(help="The column of two classes. Default: the first with two.")
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="A template with one {} in place of the text.")
    ] = "{}",
    score: Annotated[
        str,
        typer.Option(
            help="words: logits of the next word. said: a probe's score of the generated text."
        ),
    ] = "words",
    say: Annotated[
        str | None,
        typer.Option(
            help="Words of the class that the vector points to. Default: words of praise."
        ),
    ] = None,
    shun: Annotated[
        str | None, typer.Option(help="Words of the other class. Default: words of blame.")
    ] = None,
    also: Annotated[
        str, typer.Option(help="Other labels to test for side effects, separated by commas.")
    ] = "",
    strength: Annotated[
        str, typer.Option(help="Strengths to try, separated by commas.")
    ] = "-8,-4,4,8",
    at: Annotated[float, typer.Option(help="The strength that the claims are judged at.")] = 4.0,
    neutral: Annotated[
        str, typer.Option(help="Neutral texts, to test for side effects.")
    ] = "library-text",
    seed: Annotated[int, typer.Option(help="The run's one seed; same seed, same numbers.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--to", "--out", help="Run folder, new or empty. Default: runs/audit-small-TIME."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting of 'inscape show audit'."),
    ] = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Do not show the log while it runs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Measure the effect and the side effects of a steering vector.

    The effect at each strength, beside random vectors of the same norm and vectors made from
    half-permuted labels; perplexity on neutral text; probes of other labels; a new probe of the
    label itself. Prints the claims and the path of the report.
    """
    from inscape.cli.run import setting
    from inscape.model.open import opening_with
    from inscape.study.runner import run_study

    if score not in ("words", "said"):
        raise typer.BadParameter(f"words or said, not {score!r}", param_hint="'--score'")
    doses = strengths(strength)
    if at not in doses:
        raise typer.BadParameter(
            f"one of the strengths, {strength}; got {at:g}", param_hint="'--at'"
        )
    changes: dict[str, Any] = {
        "vector": str(vector),
        "prompt": prompt,
        "strengths": tuple(doses),
        "judged": at,
    }
    changes |= {"neutral": neutral, "also": also}
    given = {"label": label, "say": () if score == "said" else say, "shun": shun}
    changes |= {name: value for name, value in given.items() if value is not None}
    changes |= dict(setting(text) for text in settings or [])
    with followed(quiet), opening_with(device, dtype, compiled):
        path = run_study("audit", "small", out, seed, changes, model, data)
    found = outcome(path)
    found["report"] = str(drawn_report(path))
    emit(found) if as_json else show_outcome(found)
