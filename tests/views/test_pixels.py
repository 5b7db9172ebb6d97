"""PNG files that another reader opens, and colours that say more, less and nothing."""

import io

import numpy as np
import pytest
from PIL import Image

from inscape.views.colours import LESS, MORE, shade
from inscape.views.pixels import address, coloured, png


@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_holds_the_pixels_that_were_given(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert image.mode == ("RGB" if channels == 3 else "RGBA")
        assert (np.asarray(image) == pixels).all()
    assert address(pixels).startswith("data:image/png;base64,iVBORw0KGgo")
    with pytest.raises(
        ValueError, match=r"pixels must be \(height, width, 3 or 4\), got \(5, 7, 1\)"
    ):
        png(pixels[..., :1])


def test_colours_say_more_less_and_nothing():
    found = coloured(np.array([[2.0, -1.0, 0.0, np.nan]]))[0]
    assert tuple(found[0, :3]) == MORE
    assert tuple(found[1, :3]) == LESS
    assert found[:, 3].tolist() == [230, 115, 0, 0]
    assert coloured(np.array([[1.0]]), most=2.0)[0, 0, 3] == 115
    assert shade(3.0) == shade(1.0) != shade(-1.0)
