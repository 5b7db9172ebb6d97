"""What a run folder holds as bytes: tables as Parquet, figures as Vega-Lite, arrays as
safetensors.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts.specification import Refused, checked


def parquet(name: str, frame: pd.DataFrame) -> bytes:
    """A table as Parquet. A named index becomes columns; an unnamed one is row order only and is
    dropped.
    """
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except (ValueError, TypeError) as error:  # pyarrow's own errors are both
        raise ValueError(
            f"Run.table({name!r}): a column cannot be kept as Parquet ({error})"
        ) from None
    return buffer.getvalue()


def vega_lite(name: str, chart: Any) -> dict[str, Any]:
    """A chart as a specification that needs nothing from elsewhere.

    Args:
        name: of the figure, for messages.
        chart: an Altair chart, or a Vega-Lite specification.

    Raises:
        ValueError: not a chart, or one that `inscape.charts.specification` refuses.
    """
    spec = dict(chart) if isinstance(chart, Mapping) else _specification(name, chart)
    try:
        return checked(spec)
    except Refused as error:
        raise ValueError(f"Run.figure({name!r}): this figure cannot be kept: {error}") from None


def _specification(name: str, chart: Any) -> dict[str, Any]:
    if not hasattr(chart, "to_json"):
        raise ValueError(
            f"Run.figure({name!r}): needs an Altair chart or a specification, got "
            f"{type(chart).__name__}"
        )
    import altair

    # the default transformer refuses more than 5,000 rows; a run folder must hold its figures' data
    # whatever its size
    with altair.data_transformers.enable("default", max_rows=None):
        return json.loads(chart.to_json(indent=None))


def safetensors(name: str, arrays: Mapping[str, Any]) -> bytes:
    """NumPy arrays or tensors by name, as safetensors."""
    if not arrays:
        raise ValueError(f"Run.arrays({name!r}): needs at least one array")
    plain = {}
    for key, value in arrays.items():
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            # NumPy has no bfloat16; float32 holds every one of its values
            value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise ValueError(
                f"Run.arrays({name!r}): {key!r} must be a numeric array or tensor, got "
                f"{value!r:.60}"
            )
        plain[key] = np.ascontiguousarray(value)
    from safetensors.numpy import save

    return save(plain)
