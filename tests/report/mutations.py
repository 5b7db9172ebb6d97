"""Damage to a run folder: one place of one file changed, by hypothesis or by a random number
generator.
"""

import json

from hypothesis import strategies as st

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    -1e308,
    10**30,
    2**63,
    "",
    "x",
    "../../x",
    "a\x00b\x1b[31m",
    "\ud800",
    "</script><script>x</script>",
    "ä" * 300,
    [],
    {},
    [None],
    [[]],
    ["../x", 3],
    {"a": 1},
    {"": {"": []}},
    {"kind": "table", "name": "scores"},
]

JSON = ["run.json", "claims.json", "certificates.json", "figures/world_map.json"]
BINARY = ["tables/scores.parquet", "arrays/directions.safetensors"]


def places(value, path=()):
    """Every place of a JSON value, as keys from the top; of a long list the first and the last."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    if isinstance(value, list):
        for i in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            yield from places(value[i], (*path, i))


def changed(value, path, new, how):
    """A copy with one place set, removed, doubled or given another name."""
    if not path:
        return new
    value = json.loads(json.dumps(value))
    held = value
    for key in path[:-1]:
        held = held[key]
    key = path[-1]
    if how == "remove":
        del held[key]
    elif how == "double" and isinstance(held, list):
        held.append(held[key])
    elif how == "rename" and isinstance(held, dict):
        held[str(new)[:80]] = held.pop(key)
    else:
        held[key] = new
    return value


def damage(draw_from, folder):
    """A file of the folder and its new content.

    Args:
        draw_from: a function that picks one of a list.
        folder: the run folder that is damaged.
    """
    name = draw_from([*JSON, *JSON, *BINARY])
    content = (folder / name).read_bytes()
    if name in JSON and draw_from([True, True, True, False]):
        value = json.loads(content)
        path = draw_from(list(places(value)))
        how = draw_from(["set", "set", "remove", "double", "rename"])
        return name, json.dumps(changed(value, path, draw_from(VALUES), how)).encode()
    return name, bytes_damaged(draw_from, content)


def bytes_damaged(draw_from, content):
    """Bytes cut short, or with some of them changed."""
    how = draw_from(["cut", "change", "change", "many", "insert", "zero"])
    # a file's structure is at its ends
    at = draw_from([draw_from(range(len(content))), draw_from(range(min(64, len(content)))), -1])
    at = len(content) - 1 - draw_from(range(min(2000, len(content)))) if at == -1 else at
    if how == "cut":
        return content[:at]
    if how == "insert":
        return content[:at] + bytes(draw_from(range(256)) for _ in range(8)) + content[at:]
    if how == "zero":
        return content[:at] + b"\0" * min(64, len(content) - at) + content[at + 64 :]
    out = bytearray(content)
    for i in range(1 if how == "change" else 8):
        out[(at + 37 * i) % len(out)] = draw_from(range(256))
    return bytes(out)


@st.composite
def damaged(draw, folder):
    """`damage` as hypothesis draws it."""
    return damage(lambda choices: draw(st.sampled_from(choices)), folder)
