"""Figures are drawn in a process of their own, whose end is a sentence."""

import sys

import pytest

from inscape.charts import export, renderer
from tests.charts.test_export import SPEC


def test_several_figures_are_drawn_by_one_child(monkeypatch):
    started = []
    popen = export.subprocess.Popen

    def count(*arguments, **options):
        started.append(arguments)
        return popen(*arguments, **options)

    monkeypatch.setattr(export.subprocess, "Popen", count)
    label = {"values": [{"x": "two\x0blines\ud800\ufffe\x00", "y": 2}]}
    drawn = list(export.draw({"a": SPEC, "b": {**SPEC, "data": label}}))
    assert [(name, kind) for name, kind, _ in drawn] == [
        (name, kind) for name in "ab" for kind in export.FORMATS
    ]
    assert all(content[:5] in (b"\x89PNG\r", b"<svg ", b"%PDF-") for _, _, content in drawn)
    assert len(started) == 1


def _child(monkeypatch, tmp_path, code):
    (tmp_path / "child.py").write_text(f"import json, os, sys, time\n{code}\n")
    monkeypatch.setattr(export, "_RENDERER", tmp_path / "child.py")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.abort()", r"b cannot be drawn: the renderer ended early \(SIGABRT\)"),
        ("sys.exit(3)", r"b cannot be drawn: the renderer ended early \(exit code 3\)"),
        ("time.sleep(60)", "b cannot be drawn: the renderer was stopped after 0.3 seconds"),
    ],
)
def test_a_child_that_ends_or_hangs_is_one_sentence(monkeypatch, tmp_path, code, message):
    first = "sys.stdout.write(json.dumps({'figure': 0, 'kind': 'svg', 'size': 2}) + '\\nok')"
    _child(monkeypatch, tmp_path, f"{first}\nsys.stdout.flush()\n{code}")
    drawn = export.draw({"a": SPEC, "b": SPEC}, ["svg"])
    assert next(drawn) == ("a", "svg", b"ok")
    monkeypatch.setattr(export, "SECONDS", 0.3)
    with pytest.raises(ValueError, match=message):
        next(drawn)


def test_a_child_has_a_limit_on_memory(monkeypatch, tmp_path):
    source = renderer.__file__
    code = (
        f"sys.path.insert(0, {str(tmp_path)!r})\nimport runpy\n"
        f"limit = runpy.run_path({source!r})['_limit']\nlimit()\n"
        "try:\n    bytearray(8 << 30)\n    said = 'taken'\nexcept MemoryError:\n    said = "
        "'refused'\n"
        "print(json.dumps({'figure': 0, 'error': said}))"
    )
    _child(monkeypatch, tmp_path, code)
    with pytest.raises(ValueError, match="a cannot be drawn: refused"):
        next(export.draw({"a": SPEC}))


def test_a_file_in_the_current_folder_is_not_run(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert sys.executable
    assert next(export.draw({"a": SPEC}, ["svg"]))[2].startswith(b"<svg")


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="9">{}</svg>'


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<script/>", "an element 'script'"),
        ("<image/>", "an element 'image'"),
        ("<foreignObject/>", "an element 'foreignObject'"),
        ('<g onload="x"/>', "a link or a script"),
        ('<path href="https://a.example"/>', "a link or a script"),
        ('<path fill="url(https://a.example/x)"/>', "refer to another file"),
        ("<path style=\"fill: url('//a.example/x')\"/>", "refer to another file"),
    ],
)
def test_a_picture_that_is_more_is_refused(inside, message):
    with pytest.raises(ValueError, match=message):
        renderer.inspect(SVG.format(9, inside))
    with pytest.raises(ValueError, match="width would be more than 20,000"):
        renderer.inspect(SVG.format(20_001, ""))


def test_a_picture_is_a_picture():
    renderer.inspect(SVG.format(9, '<path clip-path="url(#a)" fill="red"/><text>url(x)</text>'))


def test_colours_from_data_reach_nothing(tmp_path):
    rows = [{"x": 1, "y": 1, "c": "url(https://a.example/x.svg#p)"}]
    encoding = {**SPEC["encoding"], "color": {"field": "c", "type": "nominal", "scale": None}}
    spec = {**SPEC, "mark": "bar", "data": {"values": rows}, "encoding": encoding}
    with pytest.raises(ValueError, match="it would refer to another file"):
        export.save(spec, tmp_path / "f.svg")
