"""Every architecture that has a table: its tiny network is certified in full, and its points can be
edited.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks import families as page

from inscape.core.edit import Add, Scope
from inscape.core.site import HEAD_POINTS, Site
from inscape.model.blank import blank
from inscape.model.certificate import certify
from inscape.model.model import Model
from inscape.model.registry import families
from tests.model.tiny import TINY, tiny, tower


def test_every_table_has_a_tiny_network():
    assert {name.split()[0] for name in TINY} == set(families())


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_network_is_certified_and_its_points_are_edited(name):
    model = Model(tiny(name), tower=tower(name))
    certificate = certify(model)
    assert certificate.passed, [item for item in certificate.items if not item.passed]
    x, ids = blank(model), torch.tensor([[7, 3, 9, 5, 12]])
    x |= {name: ids for name in x if name.endswith("input_ids")}
    last = Site("resid_post", len(model.atlas.blocks) - 1)
    points = [p for p, tap in model.family.points.items() if tap.editable and p != "resid_post"]
    sites = [Site(p, 1) for p in points]
    base = model.run(x, [*sites, last])
    for site in sites:
        # of each position another: what all keys share changes no pattern
        vector = torch.randn(base[site].shape[1:], generator=torch.Generator().manual_seed(5))
        edited = model.run(x, [site, last], edits=Add(Scope(str(site)), vector))
        torch.testing.assert_close(edited[site], base[site] + vector, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(edited[last], base[last], atol=1e-5), site
    for site in sites:
        if site.point in HEAD_POINTS:
            width = base[site].shape[-1] // model.atlas.heads(site)
            one = model.run(x, f"{site}.1" if model.atlas.heads(site) > 1 else f"{site}.0")
            start = width if model.atlas.heads(site) > 1 else 0
            torch.testing.assert_close(
                next(iter(one.values())), base[site][..., start : start + width], rtol=0, atol=0
            )


def test_the_page_names_every_architecture_and_what_failed():
    text = page.page([page.measured("gpt2"), page.measured("mixtral")])
    assert "2 architectures, 2 of 2 networks certified" in text
    row = next(line for line in text.splitlines() if line.startswith("| mixtral | `experts`"))
    assert row.count("| - |") or "| - | - |" in row
    shown = Path(page.PAGE).read_text(encoding="utf-8")
    for name in TINY:
        assert f"\n| {name} | `" in shown, f"{name}: make families"
