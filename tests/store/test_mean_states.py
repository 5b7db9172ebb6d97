"""Means over tokens, against passes of single texts."""

from __future__ import annotations

import numpy as np

from inscape.store.mean_states import mean_states

from .conftest import close_to_rounding, llama, sentences


def test_rows_are_the_means_of_each_text_alone_from_the_first_layer_to_the_last():
    model, texts = llama(), sentences(12)
    found = mean_states(model, texts)
    sites = ["embed", "resid_post.0", "resid_post.1", "resid_post.2"]
    assert len(found) == len(sites)
    for site, rows in zip(sites, found, strict=True):
        single = [model.run(model.tokenize([t]), capture=[site])[site][0] for t in texts.texts()]
        # the token that begins every text is no token of the text
        expected = np.stack([h[1:].double().mean(dim=0).float().numpy() for h in single])
        close_to_rounding(rows, expected)
    assert not np.allclose(found[1], found[2], atol=1e-3)


def test_one_site_of_plain_texts():
    model, texts = llama(), sentences(12)
    (last,) = mean_states(model, texts.texts(), "resid_post.-1")
    close_to_rounding(last, mean_states(model, texts)[-1])
