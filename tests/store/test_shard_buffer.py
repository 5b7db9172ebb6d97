"""Landing: rows reach their places one pass behind, and nothing on the device is waited for but its
copies.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.errors import StoreError
from inscape.core.site import Site
from inscape.store import shard_buffer
from inscape.store.forward_passes import forward_passes
from inscape.store.harvest import harvest
from inscape.store.prepare_inputs import prepare_inputs
from inscape.store.shard_buffer import ShardBuffer

from .conftest import llama, sentences

A, B, C = Site("resid_post", 0), Site("resid_post", 1), Site("mlp_act", 0)
WIDE = {A: 3, B: 3, C: 5}


class OnDevice(torch.Tensor):
    """A tensor that says it is on a device and may not be read by the host."""

    is_cuda = True

    def _refuse(self, *_args, **_kwargs):
        raise AssertionError("the host waited for the device")

    item = tolist = cpu = numpy = __bool__ = __float__ = __int__ = nonzero = _refuse


class Event:
    """Stands for a device's event."""

    log: list[str] = []  # noqa: RUF012

    def record(self):
        self.log.append("record")

    def synchronize(self):
        self.log.append("wait")


@pytest.fixture
def device(monkeypatch):
    """Passes as if on a device."""
    monkeypatch.setattr(shard_buffer, "_pinned", lambda x: torch.empty(x.shape, dtype=x.dtype))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(Event, "log", [])
    return lambda x: x.as_subclass(OnDevice)


def made(seed, rows):
    rng = torch.Generator().manual_seed(seed)
    return {site: torch.randn(rows, width, generator=rng) for site, width in WIDE.items()}


def test_rows_land_in_their_places():
    found, landed = made(0, 4), ShardBuffer(WIDE, 4, "bfloat16", True)
    landed.put(found, torch.tensor([3, 1, 0, 2]), 0)
    for site, x in found.items():
        assert torch.equal(landed.held[site][[3, 1, 0, 2]], x.to(torch.bfloat16))


def test_on_a_device_rows_land_one_pass_behind_and_nothing_else_is_waited_for(device):
    first, second, landed = made(0, 2), made(1, 2), ShardBuffer(WIDE, 4, "float32", True)
    for x in landed.held.values():
        x.fill_(7.0)
    landed.put({site: device(x) for site, x in first.items()}, torch.tensor([2, 0]), 0)
    assert Event.log == ["record"]  # the next pass can be asked for
    assert all((x == 7).all() for x in landed.held.values())
    landed.put({site: device(x) for site, x in second.items()}, torch.tensor([1, 3]), 2)
    assert Event.log == ["record", "record", "wait"]
    assert torch.equal(landed.held[C][[2, 0]], first[C])
    assert (landed.held[C][[1, 3]] == 7).all()
    landed.finish()
    assert torch.equal(landed.held[C][[1, 3]], second[C])
    with pytest.raises(AssertionError, match="the host waited"):  # what is guarded against is seen
        device(first[A]).abs().amax().item()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_named(value):
    found = made(0, 4)
    found[B][2, 1] = value
    with pytest.raises(
        StoreError, match=r"1 activations of resid_post.1 are NaN or infinite .* example 9; open"
    ):
        ShardBuffer(WIDE, 4, "float32", True).put(found, torch.arange(4), 9)
    landed = ShardBuffer(WIDE, 4, "float32", False)
    landed.put(found, torch.arange(4), 9)
    assert landed.flagged == {B}


def test_what_the_disk_cannot_hold_is_named():
    found = made(0, 4)
    found[C][0, 0] = 7e4
    with pytest.raises(
        StoreError, match="mlp_act.0 reaches 70000, and float16 ends at 65504; harvest with"
    ):
        ShardBuffer(WIDE, 4, "float16", False).put(found, torch.arange(4), 0)


def test_a_pass_without_rows_lands_nothing():
    landed = ShardBuffer(WIDE, 0, "float32", True)
    landed.put({site: torch.empty(0, width) for site, width in WIDE.items()}, torch.arange(0), 0)
    assert landed.flagged == set()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("at", ["last", "all", "mean"])
def test_a_cuda_harvest_is_the_cpu_harvest_and_no_pass_waits(tmp_path, at):
    examples = sentences(60)
    on_cpu, on_cuda = llama(), llama()
    on_cuda.net.cuda()
    sites = on_cuda.select("embed, resid_post.*, mlp_act.1")
    wanted = harvest(on_cpu, examples, sites, at=at, to=tmp_path / "cpu")
    store = harvest(on_cuda, examples, sites, at=at, to=tmp_path / "cuda")
    for site, x in wanted.matrices():
        np.testing.assert_allclose(store.matrix(site), x, atol=1e-4, rtol=1e-4)
    inputs = prepare_inputs(on_cuda, examples, at, None, sites)
    asked = {"budget": 64, "overhead": 40}
    assert len(forward_passes(inputs, (0, 60), *asked.values())) > 3
    from inscape.store.capture import capture, widths

    torch.cuda.set_sync_debug_mode("error")
    try:
        options = {"dtype": "float32", "nonfinite": "refuse", "report": lambda *_: None}
        capture(
            on_cuda, inputs, sites, (0, 60), wide=widths(on_cuda, inputs, sites), **asked, **options
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
