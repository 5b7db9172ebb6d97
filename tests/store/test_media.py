"""Folders of images and sound through a model's own preprocessor, compared with the plain way of
doing it.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from scipy.io import wavfile

from inscape.core.errors import DataError
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.processor import processor_of
from inscape.store.harvest import harvest
from inscape.store.media_inputs import MediaInputs, prepared
from inscape.store.moments import moments
from tests.model.nets import net

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")
VIT = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 32, "width": 32},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
    "resample": 2,
}
WHISPER = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 8,
    "sampling_rate": 16000,
    "chunk_length": 1,
}


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("birds"), np.random.default_rng(0)
    for label in ("gull", "tern"):
        (folder / label).mkdir()
        for i in range(4):
            x = rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
            Image.fromarray(x).save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    net("vit").save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(VIT))
    return open(folder)


def test_images_in_a_folder_are_harvested_as_the_checkpoint_prepares_them(vit, birds, tmp_path):
    examples = load(birds)
    store = harvest(vit, examples, "resid_post.1", at="first", to=tmp_path / "s", shard_bytes=300)
    assert len(store.manifest["shards"]) > 2
    by_hand = []
    for file in examples.texts():
        small = np.asarray(Image.open(file).resize((32, 32), resample=2), dtype=np.float64) / 255
        by_hand.append(((small - VIT["image_mean"]) / VIT["image_std"]).transpose(2, 0, 1))
    x = torch.tensor(np.stack(by_hand), dtype=torch.float32)
    with torch.no_grad():
        expected = vit.net(x, output_hidden_states=True).hidden_states[2][:, 0]
    np.testing.assert_allclose(store.matrix("resid_post.1"), expected.numpy(), atol=2e-5)
    frame = store.frame()
    assert frame["label"].tolist() == ["gull"] * 4 + ["tern"] * 4
    assert frame["group"].tolist()[0] == "gull/0.png"
    streamed = moments(vit, examples, "resid_post.1", at="first", classes="label")
    np.testing.assert_allclose(
        streamed.by_class("resid_post.1")["gull"].mean, expected[:4].mean(0), atol=2e-5
    )


def test_sounds_in_a_folder_are_harvested(tmp_path):
    folder, rng = tmp_path / "whisper", np.random.default_rng(0)
    model = net("whisper")
    model.config.max_source_positions = 50
    model = transformers.WhisperModel(model.config).eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(WHISPER))
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    waves = [(rng.standard_normal(n) * 3000).astype(np.int16) for n in (5000, 9000, 16000)]
    for i, wave in enumerate(waves):
        wavfile.write(sounds / f"{i}.wav", 16000, wave)
    opened = open(folder)
    store = harvest(opened, load(sounds), "resid_post.1", at="mean", to=tmp_path / "s")
    extract = transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    x = extract([w / 32768 for w in waves], sampling_rate=16000, return_tensors="pt")[
        "input_features"
    ]
    with torch.no_grad():
        expected = opened.net.encoder(x, output_hidden_states=True).hidden_states[2].mean(1)
    assert store.frame()["id"].tolist() == ["0", "1", "2"]
    np.testing.assert_allclose(store.matrix("resid_post.1"), expected.numpy(), atol=2e-5)


def test_what_cannot_be_prepared_is_said_to_be(vit, birds, tmp_path):
    bare = Model(net("vit"))
    with pytest.raises(
        DataError, match=r"comes without a preprocessor_config.json, which says how its images are"
    ):
        prepared(bare, load(birds))
    with pytest.raises(
        DataError, match="does not read text: give a folder of images or sound, an array"
    ):
        harvest(vit, ["a text"], "resid_post.0")
    wavfile.write(tmp_path / "a.wav", 8000, np.zeros(9, dtype=np.int16))
    with pytest.raises(DataError, match=r"is fed images, and .*a.wav is none"):
        prepared(vit, load(tmp_path))


def test_a_changed_picture_is_another_harvest(vit, birds, tmp_path):
    examples = load(birds)
    before = MediaInputs(examples, prepared(vit, examples), "first").data
    assert MediaInputs(examples, prepared(vit, examples), "first").data == before
    file = examples.texts()[0]
    with Image.open(file) as found:
        kept = found.copy()
    other = kept.copy()
    other.putpixel((0, 0), (1, 2, 3))
    other.save(file)
    assert MediaInputs(examples, prepared(vit, examples), "first").data != before
    kept.save(file)


def test_a_folder_without_a_preprocessor_has_none(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert processor_of(str(tmp_path)) is None
    (tmp_path / "preprocessor_config.json").write_text("{broken")
    assert processor_of(str(tmp_path)) is None
