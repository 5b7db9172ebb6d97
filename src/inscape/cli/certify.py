"""``inscape certify MODEL``: check the hooks on a checkpoint before its activations are read."""

from __future__ import annotations

from typing import Any

import typer

from inscape.cli.opening import Compiled, Device, Dtype, Json, ModelName, RemoteCode, open_model
from inscape.cli.printing import columns, emit, say

EPILOG = """Examples:

\b
  inscape certify smollm2-135m
  inscape certify ./my-model --dtype bfloat16
"""


def certify(
    model: ModelName,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    trust_remote_code: RemoteCode = False,
    as_json: Json = False,
) -> None:
    """Check the hooks of a model on this checkpoint.

    A batch gives what single examples give, padding changes nothing, the parts of each block add up
    to the residual stream, captured states are the model's own, and so on. The exit code is 1 if a
    check fails.
    """
    certificate = open_model(
        model, device, dtype, trust_remote_code, compiled
    ).certificate.to_dict()
    if as_json:
        emit(certificate)
    else:
        say(f"{certificate['model']}  weights {str(certificate['weights'])[:12]}")
        columns(
            [
                (_mark(i), i["name"], _numbers(i), i.get("reason") or "")
                for i in certificate["items"]
            ]
        )
        say(
            "\n"
            + (
                "All checks passed."
                if certificate["passed"]
                else "Some checks failed; the sites that they concern are refused."
            )
        )
    if not certificate["passed"]:
        raise typer.Exit(1)


def _mark(item: dict[str, Any]) -> str:
    return "passed" if item["passed"] else "FAILED"


def _numbers(item: dict[str, Any]) -> str:
    value, tolerance = item.get("value"), item.get("tolerance")
    if value is None:
        return ""
    return f"{value:.2g}" if tolerance is None else f"{value:.2g} (tolerance {tolerance:.2g})"
