"""The scripts that made the shipped tables, on sources of a few lines."""

import doctest
import importlib.util
import io
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
pytestmark = pytest.mark.skipif(
    not SCRIPTS.is_dir(), reason="the scripts come with the repository only"
)


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


NOUNS = """\
00000001 18 n 01 person 0 000 | a human being
00000002 18 n 01 artist 0 001 @ 00000001 n 0000 | one who makes art
00000003 18 n 01 musician 0 001 @ 00000002 n 0000 | an artist of sound
00000004 18 n 01 composer 0 001 @ 00000003 n 0000 | who writes music
00000005 18 n 02 inhabitant 0 dweller 0 001 @ 00000001 n 0000 | who lives somewhere
00000006 18 n 02 Quill 0 Ann_Mary_Quill 0 002 @i 00000005 n 0000 @i 00000004 n 0000 | maker of songs (in 1801) (1770?-1830)
00000007 18 n 03 Oat 0 Oat_the_Wise 0 Sir_Tom_Oat 0 001 @i 00000002 n 0000 | a painter (born in Elsewhere in 1911)
00000008 18 n 01 Plain 0 001 @i 00000002 n 0000 | a sculptor (died in 1911)
00000009 18 n 01 Long 0 001 @i 00000002 n 0000 | a sculptor (1700-1811)
00000010 18 n 01 Twin 0 001 @i 00000002 n 0000 | a sculptor (63 BC - AD 14)
00000011 18 n 01 Twin 0 001 @i 00000002 n 0000 | a sculptor (circa 217-145 BC)
"""


def test_people_from_a_few_lines(tmp_path):
    make = script("make_people")
    (tmp_path / "data.noun").write_text("  1 a licence\n" + NOUNS)
    rows = make.make(tmp_path / "data.noun")
    assert [tuple(row.values()) for row in rows] == [
        ("Ann Mary Quill", 1770, 1830, 1, 18, "musician", "composer"),
        ("Tom Oat", 1911, "", 0, 20, "artist", "artist"),
    ]
    assert make.years("(63 BC - AD 14)") == (-63, 14, False)
    assert make.years("(circa 217-145 BC)") == (-217, -145, True)
    assert make.years("(1930-)") == (1930, None, False)
    assert make.years("(died in 1718)") is None
    assert [make.century(y) for y in (1, 100, 101, 1756, -1, -100, -101)] == [
        1,
        1,
        2,
        18,
        -1,
        -1,
        -2,
    ]
    assert doctest.testmod(make).failed == 0


def test_reviews_from_a_few_lines(tmp_path, monkeypatch):
    make = script("make_reviews")
    monkeypatch.setattr(make, "PER_SIGN", 1)
    assert make.clean("a  ''b'' &amp; @someone_1") == 'a "b" & @anonymous'

    def archive(files):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    def lines(kind):
        texts = [
            f"all of the {kind} is good",
            f"ALL of the {kind}, is good!",
            f"none of that {kind} was fine",
            "too short",
        ]
        return "".join(
            f"{i}_{i}\t{v}\t{t}\r\n"
            for i, (v, t) in enumerate(zip([1, 2, -1, 3], texts, strict=True))
        ).encode()

    inner = archive({f"hutto/{name}": lines(kind) for kind, name in make.SOURCES.items()})
    (tmp_path / "a.tar.gz").write_bytes(archive({f"v/{make.INNER}": inner}))
    table = make.make(tmp_path / "a.tar.gz")
    assert len(table) == 8
    assert table[0] == ("all of the movies is good", 1.0, "movies", "movies-0")
    assert table[1][1:] == (-1.0, "movies", "movies-2")
