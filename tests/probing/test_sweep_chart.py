"""A sweep shows itself: the chosen site first, at most twenty sites, and a figure that holds its
numbers.
"""

import numpy as np
import pytest

from inscape.probing.sweep import sweep
from inscape.probing.sweep_chart import place


def found(sites, targets=1, shuffles=5, prefix="resid_post.", **options):
    rng = np.random.default_rng(0)
    x = {f"{prefix}{i}": rng.normal(size=(60, 4)) for i in range(sites)}
    y = x[f"{prefix}1"][:, :targets] + 0.3 * rng.normal(size=(60, targets))
    options = {"folds": 3, "draws": 20, **options}
    return sweep(x, y, groups=np.arange(60) % 15, shuffles=shuffles, **options)


def test_a_sweep_is_a_short_table_with_the_selected_site_first():
    result = found(3, target_names=["year<b>"])
    lines = str(result).splitlines()
    assert lines[0] == "R² of year<b> at 3 sites"
    assert lines[1].split() == ["site", "R²", "interval", "null", "p"]
    assert lines[2].startswith("selected")
    assert f"{result.selected[0].value:.3f}" in lines[2]
    assert [line.split()[0] for line in lines[3:6]] == [
        "resid_post.0",
        "resid_post.1",
        "resid_post.2",
    ]
    assert "resid_post.1 in 3 of 3 folds" in str(result)
    html = result._repr_html_()
    assert "<b>" not in html
    assert "year&lt;b&gt;" in html


def test_of_many_sites_twenty_are_shown_and_none_is_lost():
    result = found(30)
    shown = [line for line in str(result).splitlines() if line.startswith("resid_post.")]
    assert len(shown) == 20
    assert "20 of 30 sites are shown; table() has all of them." in str(result)
    assert shown[-1].startswith("resid_post.29 ")


def test_without_shuffles_there_is_no_null_and_no_p():
    row = str(found(2, shuffles=0)).splitlines()[3]
    assert row.split()[0] == "resid_post.0"
    assert row.rstrip().endswith("]")


@pytest.mark.parametrize("targets", [1, 2])
def test_the_figure_holds_every_site_and_the_null(targets):
    result = found(3, targets)
    values = [r for r in rows(result.plot()) if "value" in r]
    drawn = sorted({r["value"] for r in values if r["series"] == "resid_post"})
    assert drawn == pytest.approx(sorted(map(float, result.scores.ravel())), rel=1e-4)
    assert {r["series"] for r in values} == {"resid_post", "labels shuffled by group"}


def test_sites_without_layers_are_bars():
    result = found(3, prefix="probe")
    assert {r["group"] for r in rows(result.plot())} == {"probe0", "probe1", "probe2"}


def test_a_name_has_a_layer_only_where_it_is_a_site():
    assert place("resid_post.3") == ("resid_post", 3)
    assert place("z.3.1") == ("z head 1", 3)
    assert place("embed") == ("embed", None)
    assert place("my own") == ("my own", None)


def rows(chart):
    return [row for part in chart.to_dict()["datasets"].values() for row in part]
