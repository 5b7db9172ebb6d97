"""Folders of images and of sound as examples, and their decoding."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.io import wavfile

from inscape.core.errors import DataError
from inscape.data import media
from inscape.data.load import load

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")
RNG = np.random.default_rng(0)


def picture(path, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(x).save(path)
    return x


def test_a_folder_of_images_with_sub_folders_as_labels(tmp_path):
    for name in ("b/1.png", "a/2.png", "a/10.png"):
        picture(tmp_path / "birds" / name)
    (tmp_path / "birds" / "notes.txt").write_text("not an image")
    examples = load(tmp_path / "birds")
    assert (len(examples), examples.input, examples.labels, examples.group) == (
        3,
        "file",
        ("label",),
        "group",
    )
    assert examples.frame["label"].tolist() == ["a", "a", "b"]
    assert examples.groups().tolist() == ["a/10.png", "a/2.png", "b/1.png"]
    assert examples.classes()[1] == ("a", "b")
    assert all(text.startswith(str(tmp_path)) for text in examples.texts())
    assert load(tmp_path / "birds", limit=2).frame["label"].tolist() == ["a", "a"]


def test_a_folder_without_sub_folders_has_no_labels(tmp_path):
    picture(tmp_path / "x.PNG")
    assert load(str(tmp_path)).labels == ()


def test_folders_that_are_not_one_thing_are_refused(tmp_path):
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "2.png")
    with pytest.raises(DataError, match="holds files beside its sub-folders, such as 2.png"):
        load(tmp_path)
    (tmp_path / "2.png").rename(tmp_path / "2.wav")
    with pytest.raises(DataError, match="holds images and sounds; name a folder of one of the two"):
        load(tmp_path)


def test_an_image_is_what_was_saved_the_right_way_up(tmp_path):
    x = picture(tmp_path / "1.png")
    assert np.array_equal(np.asarray(media.image(tmp_path / "1.png")), x)
    turned = Image.Exif()
    turned[0x0112] = 3  # taken upside down
    Image.fromarray(x).save(tmp_path / "turned.png", exif=turned)
    assert np.array_equal(np.asarray(media.image(tmp_path / "turned.png")), x[::-1, ::-1])
    Image.fromarray(x[:, :, 0]).save(tmp_path / "grey.png")
    assert np.asarray(media.image(tmp_path / "grey.png")).shape == (4, 6, 3)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG no")
    with pytest.raises(
        DataError, match="bad.png cannot be read as an image .*; repair it or leave it out"
    ):
        media.image(tmp_path / "bad.png")


def test_images_without_pillow_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        DataError, match=r"images need Pillow; install it with: pip install 'inscape\[vision\]'"
    ):
        media.image(tmp_path / "1.png")


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.int16, 32768), (np.int32, 2**31), (np.float32, 1), (np.uint8, None)]
)
def test_sounds_of_every_format_are_between_minus_one_and_one(tmp_path, dtype, scale):
    wave = 0.5 * np.sin(np.linspace(0, 40, 800))
    raw = np.round(wave * 128 + 128) if scale is None else wave * scale
    wavfile.write(tmp_path / "a.wav", 8000, np.stack([raw, raw], axis=1).astype(dtype))
    x = media.sound(tmp_path / "a.wav", 8000)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, wave, atol=1 / 128)


def test_sound_is_resampled_to_the_rate_that_is_asked_for(tmp_path):
    t = np.arange(8000) / 8000
    wavfile.write(tmp_path / "a.wav", 8000, np.sin(2 * np.pi * 440 * t).astype(np.float32))
    x = media.sound(tmp_path / "a.wav", 16000)
    assert x.shape == (16000,)
    truth = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(x[500:-500], truth[500:-500], atol=5e-3)


def test_a_sound_that_would_be_far_longer_at_the_rate_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "slow.wav"
    wavfile.write(path, 100, np.zeros(1000, dtype=np.uint8))
    assert len(media.sound(path, 16_000)) == 160_000
    monkeypatch.setattr(media, "SAMPLES", 159_999)
    with pytest.raises(DataError, match=r"has 160,000 samples at 16,000 a second, and at most"):
        media.sound(path, 16_000)


def test_what_is_no_sound_is_said_to_be(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFFxx")
    with pytest.raises(DataError, match="a.wav cannot be read as WAV"):
        media.sound(tmp_path / "a.wav", 8000)
    wavfile.write(tmp_path / "c.wav", 8000, np.ones(10, dtype=np.int16))
    whole = (tmp_path / "c.wav").read_bytes()
    for chunks, refused in ((1001, True), (900, False)):
        data = b"WAVE" + b"JUNK\0\0\0\0" * chunks + whole[12:]
        (tmp_path / "c.wav").write_bytes(b"RIFF" + len(data).to_bytes(4, "little") + data)
        if refused:
            with pytest.raises(DataError, match=r"c.wav cannot be read .* more than 1,000 chunks"):
                media.sound(tmp_path / "c.wav", 8000)
        else:
            assert len(media.sound(tmp_path / "c.wav", 8000)) == 10
    wavfile.write(tmp_path / "b.wav", 8000, np.zeros(0, dtype=np.int16))
    with pytest.raises(DataError, match="b.wav holds no sound"):
        media.sound(tmp_path / "b.wav", 8000)


def test_files_of_other_shapes_are_named():
    shapes = {"a": np.zeros(3), "b": np.zeros(3), "c": np.zeros(4)}
    files = media.Decoded(list(shapes), shapes.__getitem__)
    assert files.shape == (3, 3)
    assert files[np.array([1, 0])].shape == files[:2].shape == (2, 3)
    with pytest.raises(
        DataError, match=r"c gives an array of shape \(4,\), and a one of \(3,\); .* cut them"
    ):
        files[np.array([2])]
