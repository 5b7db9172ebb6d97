"""``inscape methods``: found by a word, told in lines or JSON, and refused with a cure."""

import json

from typer.testing import CliRunner

from inscape.cli.main import app


def call(*arguments):
    return CliRunner().invoke(app, ["methods", *arguments], prog_name="inscape")


def test_a_method_is_told_with_its_answer_paper_and_signature():
    result = call("LEACE")
    assert result.exit_code == 0
    assert "inscape.control.LeaceEraser" in result.stdout
    assert "arXiv:2306.03819" in result.stdout
    assert "LeaceEraser(method='leace'" in result.stdout
    assert "sentiment" not in result.stdout


def test_json_holds_what_the_lines_say():
    found = json.loads(call("logistic", "--json").stdout)
    assert "read.LogisticProbe" in [m["name"] for m in found]
    assert {"answers", "reference", "signature", "module", "others"} <= set(found[0])


def test_a_word_that_nothing_has_is_refused_in_one_sentence():
    result = call("qqqqq")
    assert result.exit_code == 1
    assert result.stderr.strip().startswith("inscape: No method contains 'qqqqq'.")
