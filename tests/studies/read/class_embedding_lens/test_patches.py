"""Pictures from a file."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.errors import DataError
from inscape.studies.read.class_embedding_lens.patches import own_pictures
from inscape.worlds.cluttered_digits import pictures


def test_pictures_of_ones_own(tmp_path):
    shown = pictures(8, True, rng=np.random.default_rng(0))
    np.savez(tmp_path / "mine.npz", images=shown.images, classes=shown.classes, object=shown.object)
    found = own_pictures(str(tmp_path / "mine.npz"))
    assert len(found) == 8
    assert found.source.tolist() == list(range(8))
    with pytest.raises(DataError, match="cannot be read as pictures"):
        own_pictures(str(tmp_path / "none.npz"))
