"""EfficientNet-Lite0: padding as TensorFlow's, the published size, sides, and a picture that it
names.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from inscape.data.sets import imagenet_classes
from inscape.model.classifier_rows import classifier_weights
from inscape.nets.efficientnet_lite import EfficientNetLite0, SamePadded


def convolved(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """Of one channel, the long way: what lies outside counts as zero, the odd row of padding after
    the last.
    """
    side, kernel = len(x), len(weight)
    out = -(-side // stride)
    before = max((out - 1) * stride + kernel - side, 0) // 2
    found = np.zeros((out, out))
    for i in range(out):
        for j in range(out):
            for a in range(kernel):
                for b in range(kernel):
                    r, c = i * stride + a - before, j * stride + b - before
                    if 0 <= r < side and 0 <= c < side:
                        found[i, j] += x[r, c] * weight[a, b]
    return found


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (6, 5, 1), (1, 3, 2)]
)
def test_padding_is_tensorflows(side, kernel, stride):
    torch.manual_seed(0)
    conv, x = SamePadded(1, 1, kernel, stride).double(), torch.randn(side, side).double()
    with torch.no_grad():
        found = conv(x[None, None])[0, 0].numpy()
    assert np.allclose(found, convolved(x.numpy(), conv.weight[0, 0].detach().numpy(), stride))


def test_the_size_is_the_published_one_and_the_side_shrinks_to_a_32nd():
    torch.manual_seed(0)
    net = EfficientNetLite0().eval()
    assert sum(p.numel() for p in net.parameters()) == 4_652_008
    x = torch.randn(1, 3, 70, 96)
    with torch.no_grad():
        features = net.features(x)
        assert features.shape == (1, 1280, 3, 3)
        assert torch.allclose(net(x), net.head(features.mean(dim=(2, 3))))


def test_weights_are_taken_in_order_and_others_refused():
    torch.manual_seed(0)
    one, other = EfficientNetLite0().eval(), EfficientNetLite0().eval()
    x = torch.randn(1, 3, 32, 32)
    renamed = {f"w{i}": w for i, w in enumerate(one.state_dict().values())}
    with torch.no_grad():
        assert not torch.allclose(one(x), other(x))
        assert torch.equal(one(x), other.take(renamed)(x))
    renamed.pop("w0")
    with pytest.raises(ValueError, match="expected 296 tensors of this network's shapes"):
        other.take(renamed)


@pytest.mark.real
def test_a_photograph_of_a_palace_is_named():
    net = EfficientNetLite0().take(classifier_weights()).eval()
    photograph = Image.fromarray(load_sample_image("china.jpg")).crop((106, 0, 533, 427))
    pixels = np.asarray(photograph.resize((224, 224), Image.Resampling.BICUBIC), dtype=np.float32)
    with torch.no_grad():
        scores = net(torch.from_numpy(pixels.transpose(2, 0, 1))[None] / 127.5 - 1)
    assert imagenet_classes.load().texts()[int(scores.argmax())] == "palace"
