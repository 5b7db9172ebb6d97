"""A figure as a file: PNG, SVG or PDF, drawn by vl-convert without a browser and without the network.

The look is the theme's; a PNG has two pixels to the point. Fonts that a machine lacks fall back to those it has.
Cost: about 0.2 s a figure after the first.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import vl_convert

from inscape.charts import theme

FORMATS = ("png", "svg", "pdf")


def save(
    spec: dict[str, Any],
    path: str | Path,
    *,
    scheme: str = "light",
    scale: float | int = 2,
    width: int = 720,
) -> Path:
    """Draw a specification into a file.

    Args:
        spec: a Vega-Lite specification with its data inlined (``chart.to_dict()``).
        path: where to; the suffix chooses the format.
        scheme: the theme's variant; the file gets its background.
        scale: pixels to the point of a PNG.
        width: points given to a figure that leaves its width to the page, and to the rows of its legend.

    Returns:
        The path.

    Raises:
        ValueError: the suffix is not .png, .svg or .pdf, or Vega-Lite cannot read the specification.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise ValueError(f"save: the suffix must be .png, .svg or .pdf, got {path.name!r}")
    spec = copy.deepcopy(spec)
    if spec.get("width") == "container":
        spec["width"] = width
    config = theme.config(scheme, theme.page(scheme))
    if entry := spec.get("usermeta", {}).get("inscape", {}).get("entry"):
        config["legend"]["columns"] = max(1, width // entry)
    # the empty list of allowed addresses is what keeps a specification from fetching anything
    options: dict[str, Any] = {"config": config, "allowed_base_urls": []}
    try:
        if kind == "png":
            content: bytes | str = vl_convert.vegalite_to_png(spec, scale=scale, **options)
        elif kind == "svg":
            content = vl_convert.vegalite_to_svg(spec, **options)
        else:
            content = vl_convert.vegalite_to_pdf(spec, **options)
    except ValueError as error:
        line = next((text for text in str(error).splitlines() if text.strip()), "no reason given")
        raise ValueError(f"save: {path.name} cannot be drawn: {line}") from error
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
