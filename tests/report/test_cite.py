"""BibTeX that a reference manager reads, and links that go where they say."""

import re

import pytest

from inscape.report import cite

CARD = {
    "title": "The {Paper} inside",
    "authors": "Ada Byron, Grace Murray and Hedy Lamarr",
    "year": 2023,
    "arxiv": "2310.02207",
}


def test_the_paper_as_bibtex():
    entry = cite.paper(CARD)
    assert entry.startswith("@article{ada2023paper,")
    assert "author        = {Ada Byron and Grace Murray and Hedy Lamarr}" in entry
    assert "title         = {{The Paper inside}}" in entry
    assert "eprint        = {2310.02207}" in entry
    assert entry.count("{") == entry.count("}")


def test_et_al_becomes_others():
    assert "{Byron and others}" in cite.paper(CARD | {"authors": "Byron et al."})
    assert "author" not in cite.paper(CARD | {"authors": ""})


@pytest.mark.parametrize(
    ("arxiv", "link"),
    [
        ("2310.02207", "https://arxiv.org/abs/2310.02207"),
        ("arXiv:2310.02207v2", "https://arxiv.org/abs/2310.02207v2"),
        ("cs/0701001", "https://arxiv.org/abs/cs/0701001"),
        ("https://example.org/paper", "https://example.org/paper"),
        ("javascript:alert(1)", None),
        ("a book", None),
        ("", None),
    ],
)
def test_only_an_arxiv_id_or_a_web_address_becomes_a_link(arxiv, link):
    assert cite.link(CARD | {"arxiv": arxiv}) == link
    assert ("url" in cite.paper(CARD | {"arxiv": arxiv})) == (link is not None)


def test_inscape_names_its_version():
    assert re.search(r"version\s+= \{0\.1\.0\}", cite.inscape("0.1.0"))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("inscape run cka --seed 1 --out /home/ada/cka", "inscape run cka --seed 1"),
        ("inscape run cka --to='a b' --preset tiny", "inscape run cka --preset tiny"),
        ("inscape probe m 'my table.csv' --to x", "inscape probe m 'my table.csv'"),
        ("inscape run cka --set 'note=it''s'", "inscape run cka --set 'note=it''s'"),
        ("inscape run cka --out 'open", "inscape run cka --out 'open"),
    ],
)
def test_the_command_again_does_not_name_the_folder_of_this_run(command, shown):
    assert cite.again(command) == shown
