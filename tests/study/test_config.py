"""Settings: text becomes the declared type, and what does not fit is refused with its cure."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.core.errors import StudyError
from inscape.study import config as configs
from inscape.study.config import as_record, config_hash, override, settings_of, with_flags
from inscape.study.discover import load_study


@dataclass(frozen=True)
class Config:
    n: int = 5
    rate: float = 0.5
    on: bool = True
    name: str = "a"
    names: tuple[str, ...] = ("a",)
    layers: tuple[int, ...] = (1, 2)
    pair: tuple[int, float] = (1, 2.0)
    off: bool = False
    cap: int | None = 9
    old: Optional[str] = "x"  # noqa: UP045
    kind: Literal["ridge", "logistic"] = "ridge"
    where: Path = Path("here")
    table: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n must not be negative")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n", "7", 7),
        ("rate", "1e-3", 0.001),
        ("on", "no", False),
        ("off", "True", True),
        ("name", "none", "none"),
        ("names", "a, b,c", ("a", "b", "c")),
        ("names", "", ()),
        ("layers", "3", (3,)),
        ("pair", "4,5", (4, 5.0)),
        ("cap", "none", None),
        ("cap", "3", 3),
        ("old", "", None),
        ("kind", "logistic", "logistic"),
        ("where", "a/b", Path("a/b")),
        ("n", 9, 9),
        ("rate", 2, 2.0),
        ("layers", [4, 5], (4, 5)),
    ],
)
def test_a_setting_takes_the_declared_type(name, text, value):
    assert getattr(Config(), name) != value
    changed = getattr(override(Config(), {name: text}), name)
    assert changed == value
    assert type(changed) is type(value) or isinstance(value, Path)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("n", "7.5", "'n' needs a whole number, got '7.5'"),
        ("n", True, "'n' needs a whole number, got True"),
        ("rate", "fast", "'rate' needs a number, got 'fast'"),
        ("rate", "nan", "'rate' needs a number, got 'nan'"),
        ("on", "maybe", "'on' needs true or false, got 'maybe'"),
        ("layers", "1,x", "'layers' needs a list a,b,c of whole numbers, got 'x'"),
        ("layers", 3, "got 3"),
        ("pair", "1", "got 1 of them in '1'"),
        ("cap", "many", "'cap' needs a whole number or none, got 'many'"),
        ("kind", "lasso", "'kind' needs one of ridge, logistic, got 'lasso'"),
        ("table", "a=1", "cannot be given as text"),
        ("nn", "1", r"There is no setting 'nn'. Did you mean 'n'"),
        ("n", "-1", "These settings cannot be used: n must not be negative"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_cure(name, text, sentence):
    with pytest.raises(StudyError, match=sentence):
        override(Config(), {name: text})


@given(st.integers(0, 10**12), st.floats(allow_nan=False), st.lists(st.integers(), max_size=4))
def test_what_is_printed_is_read_back(n, rate, layers):
    text = {"n": str(n), "rate": repr(rate), "layers": ",".join(map(str, layers))}
    assert override(Config(), text) == Config(n=n, rate=rate, layers=tuple(layers))


def test_overriding_leaves_the_original_alone_and_the_hash_follows_the_values():
    config = Config()
    changed = override(config, {"n": "6"})
    assert (config.n, changed.n) == (5, 6)
    assert config_hash(config) == config_hash(Config())
    assert config_hash(config) != config_hash(changed)
    assert as_record(changed)["layers"] == [1, 2]
    assert as_record(changed)["where"] == "here"


def test_flags_go_to_the_fields_of_their_names(outside):
    study = load_study("toy-mean")
    config = configs.preset(study, "tiny")
    assert with_flags(config, "toy-mean", {"model": "m", "data": None}).model == "m"
    assert (
        with_flags(config, "toy-mean", {}, seed=3) == config
    )  # no field of that name: the recorder has the seed
    with pytest.raises(
        StudyError, match=r"'toy-mean' does not take --data; its settings are fail, mean, model"
    ):
        with_flags(config, "toy-mean", {"data": "d"})


def test_the_columns_of_the_data_are_named_by_flag():
    config = configs.preset(load_study("space-time-neurons"), "small")
    flags = {"data": "mine.csv", "input": "name", "labels": "year, size", "group": "land"}
    mine = with_flags(config, "space-time-neurons", flags)
    assert (mine.data, mine.labels) == ("mine.csv", ("year", "size"))
    named = {"input": "name", "labels": ("year", "size"), "group": "land"}
    assert configs.own_columns(mine) == named
    assert configs.own_columns(config) == {}
    toy = configs.preset(load_study("space-time-neurons"), "tiny")
    with pytest.raises(
        StudyError,
        match=r"'world:places' has columns of its own, so --group changes nothing; give --data",
    ):
        with_flags(toy, "space-time-neurons", {"group": "land"})


def test_an_unknown_preset_is_refused_with_those_there_are(outside):
    with pytest.raises(
        StudyError, match=r"no preset 'tinny'. Did you mean 'tiny'\? Choices: full, small, tiny"
    ):
        configs.preset(load_study("toy-mean"), "tinny")


def test_settings_are_described_with_their_presets(outside):
    first = settings_of(load_study("toy-mean"))[0]
    assert (first.name, first.kind, first.default, first.help) == (
        "n",
        "a whole number",
        100,
        "How many draws.",
    )
    assert first.presets == {"tiny": 20, "small": 100, "full": 1000}


def test_types_in_words():
    assert configs.describe(tuple[int, float]) == "a list of a whole number, a number"
    assert configs.describe(dict) == "dict"
