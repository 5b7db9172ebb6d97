"""Digit views: what moves, what is painted, and who is held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from inscape.worlds.digit_views import (
    KNOWN,
    SIDE,
    STYLES,
    drawn_digits,
    labelled,
    moved,
    noisy,
    painted,
    shuffled_names,
    standard_painted,
    styled_digits,
)


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def centre(x: torch.Tensor) -> torch.Tensor:
    """Mean (row, column) of each picture's mass."""
    at = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"), -1)
    return (x[:, 0, :, :, None] * at).sum((1, 2)) / x.sum((1, 2, 3))[:, None]


def test_digits_are_those_of_scikit_learn_and_the_parts_are_disjoint():
    values, names = load_digits(return_X_y=True)
    known, said = drawn_digits(None, True, rng=stream())
    other, said_other = drawn_digits(None, False, rng=stream())
    assert len(known) == KNOWN
    both = torch.cat([known, other])
    assert np.allclose(both.numpy().reshape(-1, 64) * 16, values)
    assert np.array_equal(torch.cat([said, said_other]).numpy(), names)
    some, _ = drawn_digits(40, False, rng=stream())
    assert all(any(torch.equal(x, y) for y in other) for x in some)


def test_a_digit_that_is_not_moved_lies_in_the_middle_and_a_shift_is_in_pixels():
    digits = torch.ones(50, 1, 8, 8)
    still = moved(digits, rng=stream(), turn=0.0, shift=0.0)
    assert torch.allclose(centre(still), torch.tensor((SIDE - 1) / 2), atol=1e-4)
    assert float(still.sum(dim=(1, 2, 3)).mean()) == pytest.approx(12 * 12, rel=0.05)
    away = centre(moved(digits, rng=stream(), turn=0.0, shift=2.0)) - (SIDE - 1) / 2
    assert 1.5 < float(away.abs().max()) <= 2.001
    turned = moved(digits, rng=stream(), turn=45.0, shift=0.0)
    assert torch.allclose(centre(turned), torch.tensor((SIDE - 1) / 2), atol=1e-3)
    assert float((turned - still).abs().mean()) > 0.02


def test_a_rotation_keeps_shapes():
    bar = torch.zeros(200, 1, 8, 8)
    bar[:, :, :, 3:5] = 1
    turned = moved(bar, rng=stream(), turn=90.0, shift=0.0)
    # the second moments' sum is the same at every angle; a shear would change it
    at = torch.arange(SIDE) - (SIDE - 1) / 2
    spread = (turned[:, 0] * (at[:, None] ** 2 + at[None, :] ** 2)).sum((1, 2))
    assert float(spread.std() / spread.mean()) < 0.05


def test_two_neighbouring_styles_hold_a_bright_and_a_dark_ink():
    whole = torch.ones(5, 1, SIDE, SIDE)
    bright = [float(painted(whole, style, rng=stream()).mean()) > 0.5 for style in STYLES]
    assert all(a != b for a, b in zip(bright, [*bright[1:], bright[0]], strict=True))


def test_styles_keep_the_digit_and_change_the_rest():
    digits, _ = drawn_digits(30, True, rng=stream())
    shapes = moved(digits, rng=stream())
    empty = torch.zeros(30, 1, SIDE, SIDE)
    whole = torch.ones(30, 1, SIDE, SIDE)
    assert float(painted(empty, "dark", rng=stream()).max()) == 0
    assert float(painted(empty, "light", rng=stream()).min()) == 1
    for style in STYLES:
        x = painted(shapes, style, rng=stream())
        assert x.shape == (30, 3, SIDE, SIDE)
        assert 0 <= float(x.min()) < float(x.max()) <= 1
        ink = painted(whole, style, rng=stream())
        assert float(ink.std(dim=(2, 3)).max()) < 1e-6  # one colour a digit
        dark = style in ("light", "stripes")
        assert bool((ink <= 0.4).all() if dark else (ink >= 0.6).all())
    with pytest.raises(ValueError, match="must be one of dark, light, noise, stripes, got 'red'"):
        painted(shapes, "red", rng=stream())


def test_a_labelled_batch_is_moved_digits_with_their_names():
    images, names = labelled(6, True, rng=stream(4), turn=0.0, shift=0.0)
    digits, same = drawn_digits(6, True, rng=stream(4))
    assert torch.equal(names, same)
    assert torch.equal(images, moved(digits, rng=stream(), turn=0.0, shift=0.0))
    assert not torch.equal(images, labelled(6, True, rng=stream(4))[0])


def test_all_digits_are_labelled_once_in_their_order():
    for known in (True, False):
        images, names = labelled(None, known, rng=stream(4))
        digits, same = drawn_digits(None, known, rng=stream())
        assert torch.equal(names, same)
        assert torch.equal(images, moved(digits, rng=stream(4)))
        assert not torch.equal(images, moved(digits, rng=stream(5)))


def test_digits_are_shared_out_over_styles_with_their_names():
    styles = ("dark", "light", "stripes")
    pictures, names = styled_digits(9, styles, rng=stream(3))
    rng = stream(3)
    shapes, same = labelled(9, True, rng=rng)
    assert torch.equal(names, same)
    for i, style in enumerate(styles):
        part = slice(3 * i, 3 * i + 3)
        assert torch.equal(pictures[part], standard_painted(shapes[part], style, rng=rng))
    assert not torch.equal(pictures, styled_digits(9, styles[::-1], rng=stream(3))[0])
    for n, own in ((8, styles), (6, ())):
        with pytest.raises(ValueError, match="n must be a multiple of the styles, got"):
            styled_digits(n, own, rng=stream())
    with pytest.raises(ValueError, match="styled_digits: n must be a whole number from 1 on"):
        styled_digits(0, styles, rng=stream())


def test_shuffled_names_are_those_of_the_digit_whatever_the_picture():
    other = shuffled_names(rng=stream(5))
    images, names = labelled(400, True, rng=stream(4), turn=0.0, shift=0.0, names=other)
    _, true = labelled(400, True, rng=stream(4), turn=0.0, shift=0.0)
    assert torch.equal(other.sort().values, drawn_all())
    assert (names == true).float().mean() < 0.2
    same = (images[:, None] == images[None]).flatten(2).all(-1)
    at = same.triu(1).nonzero()
    assert len(at) > 20
    assert torch.equal(names[at[:, 0]], names[at[:, 1]])


def drawn_all() -> torch.Tensor:
    parts = [drawn_digits(None, known, rng=stream())[1] for known in (True, False)]
    return torch.cat(parts).sort().values


def test_standard_pixels_are_the_painted_ones_scaled():
    digits, _ = drawn_digits(8, True, rng=np.random.default_rng(0))
    shapes = moved(digits, rng=np.random.default_rng(1))
    plain = painted(shapes, "stripes", rng=np.random.default_rng(2))
    found = standard_painted(shapes, "stripes", rng=np.random.default_rng(2))
    assert torch.allclose(found, 4 * plain - 2)
    assert found.std() > 0.5


def test_strength_scales_angles_and_places_together():
    digits, _ = drawn_digits(50, True, rng=stream())
    weak = moved(digits, rng=stream(1), strength=0.5)
    torch.testing.assert_close(weak, moved(digits, rng=stream(1), turn=15.0, shift=1.5))
    assert not torch.equal(weak, moved(digits, rng=stream(1)))
    still = moved(digits, rng=stream(1), strength=0.0)
    torch.testing.assert_close(still, moved(digits, rng=stream(2), strength=0.0))


def test_noise_has_the_deviation_that_is_asked_for():
    digits, _ = drawn_digits(200, True, rng=stream())
    off = noisy(digits, 0.3, rng=stream(1)) - digits
    assert abs(float(off.mean())) < 0.01
    assert float(off.std()) == pytest.approx(0.3, rel=0.03)
    assert torch.equal(noisy(digits, 0.0, rng=stream(1)), digits)
