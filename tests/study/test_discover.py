"""Studies are found by reading their files, built in or from an outside package, and imported only
when run.
"""

import sys
import textwrap

import pytest

from inscape.core.errors import StudyError
from inscape.study import discover
from inscape.study.discover import cards, find, load_study, read_card

CARD = """
    CARD = Card(
        slug="{slug}", title="T", authors="A", year=2001, arxiv="x", room="toys",
        claim="c", reproduced="r", controls="none",
        claims=dict(one=Claim(text="t", at_least=1)), tiny=dict(one="supported"),
    )
"""
REST = """
    from dataclasses import dataclass
    from inscape.study.card import Card, Claim

    @dataclass(frozen=True)
    class Config:
        n: int = 1

    PRESETS = {"tiny": Config()}

    def run(config, run):
        pass
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Build an installed package with study files; call it with file name -> source."""
    home = tmp_path / "site"

    def build(files, entries="brought = {name}_pkg", name="brought"):
        folder = home / f"{name}_pkg"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        for file, source in files.items():
            (folder / file).write_text(textwrap.dedent(source))
        info = home / f"{name}_pkg-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-pkg\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[inscape.studies]\n{entries.format(name=name)}\n")
        monkeypatch.syspath_prepend(str(home))
        return folder

    return build


def _source(slug, card=CARD, rest=REST):
    return textwrap.dedent(rest) + textwrap.dedent(card.format(slug=slug))


def test_an_outside_package_is_absent_before_it_is_installed_and_found_after(request):
    assert "toy-mean" not in cards()
    request.getfixturevalue("outside")
    found = cards()
    assert (
        found["toy-mean"].claim == "The sample mean approaches the true mean as the sample grows."
    )
    assert found["toy-alone"].year == 2000
    assert find().entries["toy-mean"].source == "inscape-toys"


def test_listing_imports_no_study(outside):
    for name in [m for m in sys.modules if m.startswith("inscape_toys")]:
        del sys.modules[name]
    cards()
    assert not [m for m in sys.modules if m.startswith("inscape_toys")]
    load_study("toy-mean")
    assert "inscape_toys.studies.toy_mean" in sys.modules


def test_a_loaded_study_has_what_a_study_has(outside):
    study = load_study("toy_mean")  # underscores are forgiven
    assert study.card.slug == "toy-mean"
    assert set(study.presets) == {"tiny", "small", "full"}
    assert study.presets["tiny"].n == 20
    assert study.about.startswith("A toy study")
    assert len(study.code) == 64


def test_an_unknown_study_is_refused_with_close_names(outside):
    with pytest.raises(StudyError, match=r"no study 'toy-meen'. Did you mean 'toy-mean'"):
        load_study("toy-meen")


def test_built_in_studies_are_in_order():
    assert find().problems == []
    for slug, entry in find().entries.items():
        study = load_study(slug)
        assert {"tiny", "small", "full"} <= set(study.presets), slug
        place = entry.path.parent if entry.path.name == "study.py" else entry.path
        assert place.parent.name == entry.card.room


def test_a_card_must_be_literal(package):
    card = CARD.replace('title="T"', 'title="T".upper()')
    package({"bad_title.py": _source("bad-title", card), "good.py": _source("good")})
    assert "good" in cards()
    assert "bad-title" not in cards()
    with pytest.raises(
        StudyError, match=r"CARD's 'title' \(line \d+\) is computed; write it as a plain literal"
    ):
        load_study("bad-title")


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ('CARD = {{"slug": "odd"}}', r"must be written CARD = Card\(slug="),
        ('CARD = Card("odd")', r"must be written CARD = Card\(slug="),
        (CARD.replace("title", "titel"), r"a card has no 'titel'. Did you mean 'title'"),
        (CARD.replace('title="T", ', ""), r"the card lacks 'title'; add title="),
        (CARD.replace("2001", '"2001"'), r"'year' must be int, got '2001'"),
        (CARD.replace('claim="c"', 'claim=" "'), r"claim is empty"),
        ("CARD = Card(", r"not readable as Python"),
    ],
)
def test_a_card_that_cannot_be_read_says_why(tmp_path, card, sentence):
    path = tmp_path / "odd.py"
    path.write_text(textwrap.dedent(card.format(slug="odd")))
    with pytest.raises(StudyError, match=sentence):
        read_card(path)


def test_an_annotated_card_and_a_file_without_one(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(textwrap.dedent(CARD.format(slug="odd")).replace("CARD =", "CARD: Card ="))
    assert read_card(path).slug == "odd"
    path.write_text("X = 1")
    assert read_card(path) is None


def test_a_module_named_by_an_entry_point_needs_a_card(package):
    package({"lonely.py": REST}, entries="lonely = {name}_pkg.lonely")
    with pytest.raises(StudyError, match=r"a study needs a card; add CARD = Card\(slug='lonely'"):
        load_study("lonely")


def test_an_entry_point_to_nothing_is_a_problem_and_not_a_crash(package):
    package({}, entries="gone = {name}_pkg.gone")
    assert [p.sentence for p in find().problems] == [
        "The entry point 'gone' of brought-pkg cannot be found (no module named "
        "'brought_pkg.gone'); reinstall brought-pkg."
    ]


def test_a_slug_taken_twice_keeps_the_first(package):
    package({"a.py": _source("same"), "b.py": _source("same")})
    assert find().entries["same"].path.name == "a.py"
    assert "already brings a study 'same'" in find().problems[0].sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("frozen=True", "frozen=False"), "needs a frozen dataclass Config"),
        (('{"tiny": Config()}', "{}"), "needs PRESETS"),
        (('{"tiny": Config()}', '{"tiny": 1}'), "needs PRESETS"),
        (("def run(", "def ran("), r"needs def run\(config, run\)"),
        (
            ("from dataclasses", "import not_there_at_all\nfrom dataclasses"),
            "No module named 'not_there_at_all'",
        ),
    ],
)
def test_a_file_that_is_not_a_study_says_what_it_lacks(package, change, sentence):
    name = f"lacking{abs(hash(change))}"
    rest = textwrap.dedent(REST).replace(*change)
    package({f"{name}.py": _source(name, rest=rest)}, name=name)
    with pytest.raises(StudyError, match=sentence):
        load_study(name)


def test_a_built_in_file_in_the_wrong_place_is_reported(tmp_path):
    (tmp_path / "read").mkdir()
    path = tmp_path / "read" / "elsewhere.py"
    path.write_text(textwrap.dedent(CARD.format(slug="elsewhere")))
    found = discover.Found()
    discover._add(found, "inscape.studies.read.elsewhere", path, "inscape", required=True)
    assert "the file must be toys/elsewhere.py" in found.problems[0].sentence


def test_a_study_may_be_a_folder_whose_other_files_are_no_studies(tmp_path):
    folder = tmp_path / "read" / "a_study"
    folder.mkdir(parents=True)
    (folder / "study.py").write_text("CARD = None")
    (folder / "pieces.py").write_text("")
    (tmp_path / "read" / "other.py").write_text("")
    found = dict(discover._files("inscape.studies", tmp_path))
    assert list(found) == ["inscape.studies.read.a_study.study", "inscape.studies.read.other"]


def test_claims_are_read_from_the_card_without_running_it(tmp_path):
    path = tmp_path / "a_study.py"
    head = """CARD = Card(slug="a-study", title="T", authors="A", year=2001, arxiv="1", room="read", claim="c",
    reproduced="r", controls="n", tiny=dict(gain="supported"), claims="""
    path.write_text(head + 'dict(gain=Claim(text="It gains", at_least=0.3, null="shuffled")))')
    card = read_card(path)
    assert card.claims["gain"].at_least == 0.3
    assert card.tiny == {"gain": "supported"}
    path.write_text(head + 'dict(gain=Claim(text="It gains", least=0.3)))')
    with pytest.raises(StudyError, match="the claim in line 2 cannot be read"):
        read_card(path)
    path.write_text(head + 'dict(gain=Claim(text="It gains", at_least=-1)))')
    with pytest.raises(StudyError, match="needs the null or the competitor"):
        read_card(path)


def test_a_file_is_read_again_after_it_has_changed(tmp_path):
    path = tmp_path / "brought.py"
    path.write_text(_source("brought"))
    first = read_card(path)
    assert read_card(path) is first
    path.write_text(_source("brought").replace('title="T"', 'title="Another"'))
    assert read_card(path).title == "Another"
