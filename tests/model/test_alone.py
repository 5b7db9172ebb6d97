"""A row is the same alone, in a batch of mixed lengths, in another order, harvested, and behind a
shared beginning.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.site import Site
from inscape.model.certificate import certify
from inscape.model.item import difference
from inscape.model.model import Model
from inscape.model.registry import family_of
from inscape.store.harvest import harvest
from tests.model.tiny import TINY, tiny, tower

#: of each kind of stack one: causal and not, experts, latent attention, ALiBi, a state space,
# shared blocks
QUICK = ("llama", "bert", "mixtral", "bloom", "mamba2", "albert")
LENGTHS = (1, 2, 3, 40, 7, 23, 64, 5)
#: how far rounding may take a row: products of other shapes are added up in another order
ROUNDING = 1e-4


def rows_of(seed: int = 0, shared: int = 0) -> list[list[int]]:
    """Token ids of mixed lengths, behind a beginning that all share."""
    rng = np.random.default_rng(seed)
    start = rng.integers(4, 32, size=shared).tolist()
    return [start + rng.integers(4, 32, size=n).tolist() for n in LENGTHS]


def alike(name: str) -> None:
    model = Model(tiny(name), tower=tower(name))
    assert certify(model).passed
    rows = rows_of()
    sites = [s for s in model.sites if not s.point.endswith("pattern") and s.point != "logits"]
    alone = [model.run([row], sites, logits=model.atlas.head is not None) for row in rows]
    for order in (list(range(len(rows))), [5, 2, 7, 0, 6, 1, 4, 3]):
        both = model.run([rows[i] for i in order], sites, logits=model.atlas.head is not None)
        for place, i in enumerate(order):
            for site in sites:
                found = both[site][place, : len(rows[i])]
                assert difference(found, alone[i][site][0]) < ROUNDING, (site, i)
            if both.logits is not None:
                found = both.logits[place, : len(rows[i])]
                assert difference(found, alone[i].logits[0]) < ROUNDING, i


def harvested(name: str) -> None:
    model = Model(tiny(name), tower=tower(name))
    assert certify(model).passed
    site = Site("resid_post", len(model.atlas.blocks) - 1)
    for rows in (rows_of(), rows_of(1, shared=30)):
        right = torch.stack([model.run([row], site)[site][0, -1] for row in rows])
        for prefix in (True, False):
            kept = harvest(model, rows, site, at="last", prefix=prefix, progress=False)
            assert difference(torch.from_numpy(np.array(kept.matrix(site))), right) < ROUNDING


@pytest.mark.parametrize("name", QUICK)
def test_a_row_is_the_same_in_any_company(name):
    alike(name)


@pytest.mark.parametrize("name", ["llama", "bert", "mamba"])
def test_a_harvested_row_is_the_row_alone(name):
    harvested(name)


def texts() -> list[str]:
    """The architectures that are fed texts and no encoder's output beside them."""
    found = []
    for name in TINY:
        family = family_of(tiny(name), tower(name))
        if family is not None and family.kind == "text" and not family.decoder:
            found.append(name)
    return found


@pytest.mark.slow
def test_rows_of_every_architecture_of_texts_depend_on_nothing_beside_them():
    names = texts()
    assert len(names) > 70
    for name in names:
        alike(name)
        harvested(name)
