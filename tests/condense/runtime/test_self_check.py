"""Faulty kernels are detected before a run uses them, and the run falls back to correct ones."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dfs_store import open_store
from dfs_store.condense import condense
from dfs_store.condense.runtime.self_check import bf16_speed, check_kernels
from dfs_store.errors import CheckpointError, SettingsError
from dfs_store.networks import ConvNet3D, fast_order
from tests.condense.stopped_runs import condense_until


class Faulty(ConvNet3D):
    """A network whose embeddings are wrong in the case that `fault` names: "fast", "bf16", "all" or "nan"."""

    fault = ""

    def embed(self, clips):
        right = super().embed(clips)
        if (
            (self.fault in ("fast", "nan") and not self.plain)
            or (self.fault == "bf16" and self.classifier.weight.dtype == torch.bfloat16)
            or self.fault == "all"
        ):
            return right * (float("nan") if self.fault == "nan" else 1.5)
        return right


def network(fault=""):
    made = fast_order(Faulty(3, 4, 43).requires_grad_(False).eval())
    made.fault = fault
    return made


def test_correct_kernels_are_used():
    for precision in ("float32", "bf16"):
        found = check_kernels(network(), precision, 4, 43)
        assert found.precision == precision
        assert not found.plain
        assert found.notes == ()
    assert found.provenance()["kernels"]["order"] == "fast"


def test_float32_agrees_closely_and_bf16_roughly():
    assert check_kernels(network(), "float32", 8, 64).error < 1e-5
    assert 1e-5 < check_kernels(network(), "bf16", 8, 64).error < 3e-2


@pytest.mark.parametrize("fault", ["fast", "nan"])
def test_a_faulty_fast_order_falls_back_to_the_plain_order(fault):
    found = check_kernels(network(fault), "float32", 4, 43)
    assert found.plain
    assert found.precision == "float32"
    assert "float32 in fast order is off by" in found.notes[0]
    assert found.error < 1e-5


def test_faulty_bf16_falls_back_to_float32():
    found = check_kernels(network("bf16"), "bf16", 4, 43)
    assert found.precision == "float32"
    assert not found.plain
    assert "bf16 is off by 5e-01 on cpu: real clips are embedded in float32" in found.notes[0]


def test_kernels_that_are_faulty_in_every_order_raise_an_error():
    with pytest.raises(SettingsError, match=r"torch .*plain order is off by 5e-01 .*use --device cpu"):
        check_kernels(network("all"), "float32", 4, 43)


def test_a_store_records_how_its_clips_were_embedded(config, videos):
    settings = config(precision="bf16")
    condense(settings, videos)
    with open_store(settings.out) as store:
        kernels = store.attributes["provenance"]["kernels"]
    assert kernels["precision"] == "bf16"
    assert kernels["order"] == "fast"
    assert 0 < float(kernels["error"]) < 5e-2


class Noisy(nn.Conv3d):
    """A convolution with noise of 2e-6, like that of a different order of sums."""

    def forward(self, maps):
        convolved = super().forward(maps)
        return convolved + self.noise(convolved) + (maps - maps.detach()).sum() * 0

    def noise(self, like):
        drawn = torch.randn(like.shape, generator=self.generator)
        return 2e-6 * drawn * like.detach().square().mean().sqrt()


def rounded(values):
    """Returns float32 with the 10 bits of TF32's mantissa."""
    bits = values.view(torch.int32)
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


class TF32(torch.autograd.Function):
    """A convolution whose inputs are rounded in one of the two passes, or in both."""

    @staticmethod
    def forward(ctx, maps, layer):
        ctx.save_for_backward(maps)
        ctx.layer = layer
        kept = layer.passes in ("forward", "both")
        given, weight = (rounded(maps), rounded(layer.weight)) if kept else (maps, layer.weight)
        return F.conv3d(given, weight, layer.bias, layer.stride, layer.padding)

    @staticmethod
    def backward(ctx, gradient):
        (maps,), layer = ctx.saved_tensors, ctx.layer
        kept = layer.passes in ("backward", "both")
        given, weight = (rounded(gradient), rounded(layer.weight)) if kept else (gradient, layer.weight)
        return torch.nn.grad.conv3d_input(maps.shape, weight, given, layer.stride, layer.padding), None


class Rounding(nn.Conv3d):
    """A convolution in TF32."""

    passes = "both"

    def forward(self, maps):
        return TF32.apply(maps.contiguous(), self)


def with_convolutions(kind, size, num_frames):
    made = ConvNet3D(3, num_frames, size).requires_grad_(False).eval()
    for number in range(made.num_convolutions):
        made.features[3 * number].__class__ = kind
    return made


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_a_different_order_of_sums_passes(first):
    for seed in range(first, first + 5):
        made = with_convolutions(Noisy, 43, 4)
        for number in range(made.num_convolutions):
            made.features[3 * number].generator = torch.Generator().manual_seed(100 * seed + number)
        found = check_kernels(made, "float32", 4, 43)
        assert found.notes == ()
        assert found.error < 1e-4


@pytest.mark.parametrize("passes", ["forward", "backward", "both"])
def test_tf32_in_either_pass_raises_an_error(monkeypatch, passes):
    monkeypatch.setattr(Rounding, "passes", passes)
    which = "backward" if passes == "backward" else "forward"
    with pytest.raises(
        SettingsError, match=f"plain order is off by .e-04 on cpu: convolution 1, {which} pass"
    ):
        check_kernels(with_convolutions(Rounding, 43, 4), "float32", 4, 43)


def test_plain_means_contiguous(work):
    made = fast_order(ConvNet3D(2, 4, 43).requires_grad_(False).to("cuda"))
    seen = []
    for number in range(made.num_convolutions):
        layer = made.features[3 * number]
        layer.register_forward_pre_hook(lambda layer, given: seen.append((layer.weight, *given)))
    clips = torch.randn(2, 4, 43, 43, 3).permute(0, 1, 4, 2, 3).to("cuda")
    fast = made.embed(clips)
    assert all(each.is_contiguous(memory_format=torch.channels_last_3d) for pair in seen for each in pair)
    made.use_plain_order()
    seen.clear()
    plain = made.embed(clips)
    assert all(each.is_contiguous() for pair in seen for each in pair)
    torch.testing.assert_close(plain.cpu(), fast.cpu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("speed", "chosen"), [(2.0, "bf16"), (1.05, "float32"), (0.5, "float32")])
def test_auto_uses_bfloat16_only_if_it_is_faster(monkeypatch, speed, chosen):
    monkeypatch.setattr("dfs_store.condense.runtime.self_check.bf16_speed", lambda *_: speed)
    found = check_kernels(network(), "auto", 4, 43)
    assert found.precision == chosen
    assert found.provenance()["kernels"]["bf16_speed"] == f"{speed:.2f}"
    assert check_kernels(network("bf16"), "auto", 4, 43).precision == "float32"


def test_the_speed_is_measured():
    assert 0.05 < bf16_speed(network(), 4, 43) < 20


def test_a_resumed_run_keeps_the_choice_or_raises_an_error(config, videos, monkeypatch):
    speeds = "dfs_store.condense.runtime.self_check.bf16_speed"

    monkeypatch.setattr(speeds, lambda *_: 2.0)
    condense_until(1, config(precision="auto"), videos)
    monkeypatch.setattr(speeds, lambda *_: 0.5)  # as on a different machine
    with pytest.raises(CheckpointError, match="precision was 'bf16', now 'float32'"):
        condense(config(precision="float32", resume=True), videos)
    with condense(config(precision="auto", resume=True), videos) as store:
        provenance = store.attributes["provenance"]
        assert provenance["kernels"]["precision"] == "bf16"
        assert provenance["config"]["precision"] == "auto"
