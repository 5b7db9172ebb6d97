"""Sites: a string round trip, selections, and refusals that list the choices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.core.errors import SiteError, suggest
from inscape.core.site import GLOBAL_POINTS, HEAD_POINTS, POINTS, Site, select, translate

HAVE = [
    Site("embed"),
    *(Site(p, layer) for layer in range(12) for p in ("resid_pre", "z", "mlp_out", "resid_post")),
    Site("logits"),
    *(Site("module", path=p, side=s) for p in ("features.4.conv", "head") for s in ("in", "out")),
]


@st.composite
def sites(draw) -> Site:
    point = draw(st.sampled_from([*POINTS, "module"]))
    if point == "module":
        path = draw(st.from_regex(r"[a-z_]+(\.[a-z0-9_]+){0,3}", fullmatch=True))
        return Site("module", path=path, side=draw(st.sampled_from(["in", "out"])))
    if point in GLOBAL_POINTS:
        return Site(point)
    head = draw(st.none() | st.integers(0, 99)) if point in HEAD_POINTS else None
    return Site(point, draw(st.integers(0, 999)), head)


@given(sites())
def test_round_trip(site):
    assert Site.parse(str(site)) == site


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text):
    try:
        assert str(Site.parse(text)).split(".")[0]
    except SiteError as error:
        assert "is not a site" in str(error)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("resid_post.3", ["resid_post.3"]),
        ("resid_post.-1", ["resid_post.11"]),
        ("resid_post.10:20", ["resid_post.10", "resid_post.11"]),
        ("resid_post.:3", ["resid_post.0", "resid_post.1", "resid_post.2"]),
        ("resid_post.::5", ["resid_post.0", "resid_post.5", "resid_post.10"]),
        ("resid_*.2", ["resid_pre.2", "resid_post.2"]),
        ("mlp_out.1, embed", ["embed", "mlp_out.1"]),
        ("z.5.7", ["z.5.7"]),
        ("blocks.3.hook_resid_post", ["resid_post.3"]),
        ("hidden_states.0", ["embed"]),
        ("module:features.4.conv:out", ["module:features.4.conv:out"]),
        ("module:*:in", ["module:features.4.conv:in", "module:head:in"]),
    ],
)
def test_selection(pattern, expected):
    assert [str(s) for s in select(pattern, HAVE)] == expected


def test_a_selection_is_in_order_and_without_repeats():
    chosen = select(["resid_post.5", "resid_post.*", Site("embed")], HAVE)
    assert [str(s) for s in chosen] == ["embed", *(f"resid_post.{i}" for i in range(12))]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "resid_pots.3",
            (
                "no site matches 'resid_pots.3'. Did you mean 'resid_post'.*This model has embed, "
                "resid_pre.0…11"
            ),
        ),
        (
            "resid_post.12",
            r"no site matches 'resid_post.12'. This model has resid_post in layers 0 to 11\.$",
        ),
        ("resid_post.12:14", r"This model has resid_post in layers 0 to 11\.$"),
        ("resid_post.2.1", r"This model has resid_post in layers 0 to 11, without heads\.$"),
        ("embed.1", r"This model has one embed, without a layer\.$"),
        ("pattern.1", "no site matches 'pattern.1'"),
        ("module:heat:out", "no site matches 'module:heat:out'. Did you mean 'module:head:out'"),
        ("resid_post.::0", "cannot step by 0"),
        ("z.1.x", "a head is a number"),
        ("", "no site was named"),
    ],
)
def test_what_is_not_there_is_refused_with_the_choices(pattern, message):
    with pytest.raises(SiteError, match=message):
        select(pattern, HAVE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resid_post", "needs a layer, such as resid_post.0"),
        ("embed.3", "embed takes no layer"),
        ("resid_post.3.1", "only cross_k, .*k, pattern, q, v, z have heads"),
        ("module:a.b", "written module:PATH:in or module:PATH:out"),
        ("resid_pots.1", "is not a site. Did you mean 'resid_post'"),
    ],
)
def test_what_is_no_site_is_refused(text, message):
    with pytest.raises(SiteError, match=message):
        Site.parse(text)


def test_names_of_others_translate():
    assert translate("blocks.2.attn.hook_z") == "z.2"
    assert translate("blocks.2.mlp.hook_post") == "mlp_act.2"
    assert translate("hidden_states.4") == "resid_post.3"
    assert translate("resid_post.4") == "resid_post.4"


def test_suggestions_are_few():
    text = suggest("x", [f"name{i}" for i in range(50)])
    assert "(50 in all)" in text
    assert "Did you mean" not in text
