"""What tests of figures look at: the drawn text and the data inside a specification."""

import re

import vl_convert

from inscape.charts import theme


def texts(chart, scheme="light"):
    """Every piece of text in the figure as it is drawn, without the network."""
    svg = vl_convert.vegalite_to_svg(
        chart.to_dict(), config=theme.config(scheme), allowed_base_urls=[]
    )
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def rows(chart):
    """The rows of the largest table inside a specification."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if isinstance(value.get("values"), list):
                found.append(value["values"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    spec = chart.to_dict()
    walk(spec)
    found += [
        v
        for k, v in spec.get("datasets", {}).items()
        if isinstance(v, list) and k not in ("land", "sea")
    ]
    return max(found, key=len)


def settings(chart):
    """Every (key, value) of a specification outside its data."""

    def walk(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in ("values", "datasets", "usermeta"):
                    yield key, inner
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return list(walk(chart.to_dict()))
