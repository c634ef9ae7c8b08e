"""The kernel for GPUs, run by Triton's interpreter: its clips equal plain torch's, or it is not used."""

import importlib
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store import DFSDataset
from dfs_store.loaders.batching import fused
from dfs_store.loaders.batching.buffers import Workspace
from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.rebuild import interpolate
from tests.loaders.stores import write_store

pytest.importorskip("triton")
CPU = torch.device("cpu")
CLIPS = np.array([3, 0, 6, 2, 2])
MIRRORED = np.array([False, True, False, True, False])


@pytest.fixture(scope="module")
def kernel():
    """Returns the kernel for Triton's interpreter, which an environment variable selects on import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, "dfs_store.loaders.batching.triton_rebuild", raising=False)
        yield importlib.import_module("dfs_store.loaders.batching.triton_rebuild").rebuild_fused


@pytest.fixture(autouse=True)
def _forgotten():
    fused.fused_rebuild.cache_clear()
    yield
    fused.fused_rebuild.cache_clear()


@pytest.mark.parametrize("stored", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("layout", ["CTHW", "TCHW"])
@pytest.mark.parametrize("mirrored", [None, MIRRORED])
@pytest.mark.parametrize("num_frames", [None, 5])
def test_clips_equal_those_rebuilt_one_by_one(kernel, tmp_path, stored, layout, mirrored, num_frames):
    dataset = DFSDataset(
        write_store(tmp_path / "store.zarr", dtype=stored), layout=layout, num_frames=num_frames
    )
    rebuilder = dataset.rebuilder(CPU, dataset.key_frame_table)
    chosen = rebuilder.choose(CLIPS, mirrored=mirrored)
    expected = torch.empty(len(CLIPS), *rebuilder.clip_shape)
    rebuilder.one_by_one(chosen, expected, Workspace())
    found = rebuilder.fused(chosen, torch.full_like(expected, torch.nan), kernel)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inf * 0, in the interpreter's NumPy
@settings(max_examples=30, deadline=None)
@given(
    positions=st.lists(st.integers(1, 11), unique=True, max_size=6).map(lambda p: [0, *sorted(p), 12]),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 99),
)
def test_key_frames_are_returned_bit_for_bit(kernel, positions, size, seed):
    frames = torch.randn(len(positions), 2, *size, generator=torch.Generator().manual_seed(seed))
    frames[0, 0, 0, 0], frames[-1, 0, 0, 0] = torch.inf, -0.0
    plan = np.searchsorted(positions, np.arange(13), side="right") - 1
    ends = np.append(positions, 13)
    weight = (np.arange(13) - ends[plan]) / (ends[plan + 1] - ends[plan])
    weight[12] = 0
    out = torch.empty(1, 2, 13, *size)
    kernel(
        KeyFrameTable(frames),
        torch.from_numpy(plan)[None],
        torch.from_numpy(weight.astype(np.float32))[None],
        None,
        "CTHW",
        out,
    )
    clip = out[0].transpose(0, 1)
    assert torch.equal(clip[positions].view(torch.int32), frames.view(torch.int32))
    torch.testing.assert_close(clip, interpolate(frames, positions, 13), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrower_clips_are_rounded_from_float32(kernel, tmp_path, dtype):
    dataset = DFSDataset(write_store(tmp_path / "store.zarr"))
    rebuilder = dataset.rebuilder(CPU, dataset.key_frame_table)
    chosen = rebuilder.choose(CLIPS)
    wide = rebuilder.fused(chosen, torch.empty(len(CLIPS), *rebuilder.clip_shape), kernel)
    found = rebuilder.fused(chosen, torch.empty_like(wide, dtype=dtype), kernel)
    assert (found.float() - wide).abs().max() <= 2 * torch.finfo(dtype).eps * wide.abs().max()


def test_the_kernel_is_compared_before_its_first_use(kernel):
    assert fused.fused_rebuild(CPU) is kernel


def test_the_comparison_ignores_the_callers_defaults(kernel):
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    try:
        assert fused.fused_rebuild(CPU) is kernel
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)


def test_a_kernel_that_writes_wrong_clips_is_not_used(kernel, monkeypatch):
    def wrong(table, left, weight, mirrored, layout, out):
        kernel(table, left, weight, mirrored, layout, out)
        out[0, 0, 0, 0, 0] += 0.5

    monkeypatch.setattr(sys.modules[fused._KERNEL], "rebuild_fused", wrong)
    with pytest.warns(RuntimeWarning, match=r"is off by 5e-01 on cpu .* plain torch"):
        assert fused.fused_rebuild(CPU) is None


def test_a_kernel_that_does_not_write_everything_is_not_used(kernel, monkeypatch):
    monkeypatch.setattr(sys.modules[fused._KERNEL], "rebuild_fused", lambda *given: given[-1])
    with pytest.warns(RuntimeWarning, match=r"is off by inf"):
        assert fused.fused_rebuild(CPU) is None


def test_a_kernel_that_fails_is_not_used(kernel, monkeypatch):
    def broken(*_given):
        raise RuntimeError("no driver")

    monkeypatch.setattr(sys.modules[fused._KERNEL], "rebuild_fused", broken)
    with pytest.warns(RuntimeWarning, match=r"failed: no driver"):
        assert fused.fused_rebuild(CPU) is None


def test_without_triton_plain_torch_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, fused._KERNEL, None)
    assert fused.fused_rebuild(CPU) is None


@pytest.mark.parametrize("stored", ["fp32", "fp16", "u8"])
@pytest.mark.parametrize("out", ["fp32", "fp16", "bf16"])
def test_the_kernel_compiles_without_a_gpu(monkeypatch, stored, out):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delitem(sys.modules, "dfs_store.loaders.batching.triton_rebuild", raising=False)
    compiled = importlib.import_module("dfs_store.loaders.batching.triton_rebuild")
    pointers = {"frames": stored, "scale": "fp32", "zero": "fp32", "left": "i64", "weight": "fp32"}
    pointers |= {"mirrored": "u8", "out": out}
    numbers = ["num_outputs", "num_channels", "num_pixels", "width"]
    numbers += ["clip_stride", "channel_stride", "frame_stride"]
    constants = {"QUANTISED": stored == "u8", "MIRRORS": True, "PIXELS": 1024}
    signature = {name: f"*{kind}" for name, kind in pointers.items()} | dict.fromkeys(numbers, "i32")
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(compiled._rebuild_kernel, signature, constexprs=constants)
    assert triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
