"""Objects show themselves: a table of text, the same as HTML, and no text of theirs is ever
markup.
"""

import torch
from torch import nn

from inscape.core.evidence import Evidence, Null
from inscape.core.shown import Shown
from inscape.core.site import Site
from inscape.model.activations import Activations
from inscape.model.certificate import Certificate
from inscape.model.checks import Item
from inscape.model.model import Model

HOSTILE = "<script>alert(1)</script>\x1b[2J"


def harmless(html):
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_text_is_aligned_and_html_escaped():
    shown = Shown(HOSTILE, ("a", HOSTILE), [("x", "1.0"), (HOSTILE, "10.0")], (HOSTILE,), (1,))
    harmless(shown.html())
    assert "\x1b" not in str(shown)
    lines = str(Shown("t", ("site", "n"), [("embed", "1"), ("mlp", "10")], numbers=(1,))).split(
        "\n"
    )
    assert lines == ["t", "site    n", "embed   1", "mlp    10"]


def test_evidence_shows_its_number_its_place_and_its_warnings():
    null = Null.of("shuffled labels", [0.4, 0.6])
    e = Evidence(HOSTILE, 0.9, (0.8, 0.95), null, 0.01, where={"site": "embed"}, warnings=("few.",))
    html = e._repr_html_()
    harmless(html)
    assert "0.90 [0.80, 0.95]" in html
    assert "site embed" in html
    assert "few." in html


def test_a_certificate_is_a_table_of_what_was_measured():
    items = (Item("finite", True, 0.0, 0.0), Item(HOSTILE, False, 0.5, 1e-4, ("*",), "differs"))
    certificate = Certificate("toy", "ab" * 32, items, {"dtype": "float32"})
    assert "1 of 2 checks FAILED" in str(certificate)
    assert "0.0001" in str(certificate)
    harmless(certificate._repr_html_())
    assert "2 checks passed" in str(Certificate("toy", "ab", items[:1] * 2))


def test_activations_show_shapes_and_norms_and_never_their_numbers():
    tensors = {Site("resid_post", i): torch.full((2, 3, 4), 0.123456 * (i + 1)) for i in range(30)}
    text = repr(Activations(tensors, torch.zeros(2, 3, 7)))
    assert "2×3×4" in text
    assert "tensor(" not in text
    assert "20 of 30 sites are shown." in text
    assert "logits: 2×3×7" in text
    # the norm of four equal numbers is twice the number
    assert "0.25" in text
    assert "resid_post.29" in Activations(tensors)._repr_html_()


def test_a_model_shows_its_points_and_that_nothing_was_certified():
    model = Model(nn.Sequential(nn.Linear(3, 2)), name=HOSTILE)
    html = model._repr_html_()
    harmless(html)
    assert "not certified" in html


def test_a_scalar_activation_is_shown_too():
    assert "median norm" in repr(Activations({Site("embed"): torch.tensor(2.0)}))
    assert "0 sites" in repr(Activations({}))
