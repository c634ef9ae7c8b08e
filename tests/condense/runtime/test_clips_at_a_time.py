"""Out of memory: embeddings and gradients are equal in smaller parts, down to one clip."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from dfs_store import open_store
from dfs_store.condense import condense
from dfs_store.condense.engine.key_frames import TrainableKeyFrames
from dfs_store.condense.engine.matching import class_means, match
from dfs_store.condense.engine.real_clips import RealBatch
from dfs_store.condense.runtime.checkpoint import checkpoints_of
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.condense.runtime.device import (
    clip_activation_bytes,
    limited_memory,
    real_clips_at_a_time,
    resolve_device,
    total_memory_bytes,
)
from dfs_store.errors import OutOfMemoryError, SettingsError
from dfs_store.networks import ConvNet3D

T, SIZE = 4, 43
CPU = torch.device("cpu")


class Small(ConvNet3D):
    """A network on a device with room for a few clips, and for even fewer if a graph is kept."""

    room, room_with_graph = 3, 2

    def embed(self, clips):
        if len(clips) > (self.room_with_graph if clips.requires_grad else self.room):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().embed(clips)


def network_of(kind):
    made = kind(2, T, SIZE).requires_grad_(False).eval()
    made.reset(torch.Generator().manual_seed(0))
    return made


def chunks_of(cuts):
    generator = torch.Generator().manual_seed(1)
    keys = [torch.randn(2, 3, SIZE, SIZE, generator=generator) for _ in range(10)]
    return [
        TrainableKeyFrames(
            keys[a:b], [np.array([0, T - 1])] * (b - a), [clip // 5 for clip in range(a, b)], T
        )
        for a, b in pairwise([0, *np.cumsum(cuts)])
    ]


@pytest.mark.filterwarnings("ignore:out of memory")
@pytest.mark.parametrize("cuts", [[10], [7, 3]], ids=str)
@pytest.mark.parametrize("at_a_time", [(64, 64), (3, 2), (1, 1)], ids=str)
def test_embeddings_loss_and_gradients_are_the_same_in_parts(cuts, at_a_time):
    real = torch.randn(2, 6, T, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    plain, small, sizes = network_of(ConvNet3D), network_of(Small), ClipsAtATime(*at_a_time)
    means = class_means(plain, iter(real))
    in_parts = class_means(small, iter(real), at_a_time=sizes)
    torch.testing.assert_close(in_parts, means, rtol=1e-5, atol=1e-6)
    wanted = list(match(plain, chunks_of(cuts), means))
    found = list(match(small, chunks_of(cuts), means, at_a_time=sizes))
    for (_, loss, gradient), (_, other_loss, other_gradient) in zip(wanted, found, strict=True):
        assert float(other_loss) == pytest.approx(float(loss), rel=1e-5)
        torch.testing.assert_close(
            other_gradient, gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max())
        )
    assert sizes.shrunk == (at_a_time == (64, 64))
    assert (sizes.real, sizes.synthetic) <= (3, 2)


class SmallRoom(TrainableKeyFrames):
    """Key frames on a device that has room for two rebuilt clips."""

    def render(self, part=slice(None)):
        if len(self.labels[part]) > 2:
            raise RuntimeError("CUDA error: out of memory")
        return super().render(part)


@pytest.mark.filterwarnings("ignore:out of memory")
def test_making_synthetic_and_real_clips_is_split_too():
    network, made = network_of(ConvNet3D), []
    real = torch.randn(2, 6, T, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))

    def make(part):
        made.append(part)
        if part.stop - part.start > 3:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return real.flatten(0, 1)[part]

    sizes = ClipsAtATime(64, 64)
    means = class_means(network, [RealBatch((6, 6), make)], at_a_time=sizes)
    torch.testing.assert_close(means, class_means(network, iter(real)), rtol=1e-5, atol=1e-6)
    assert [part.stop - part.start for part in made] == [12, 6, 3, 3, 3, 3]
    (wanted,) = match(network, chunks_of([10]), means)
    chunk = chunks_of([10])[0]
    chunk.__class__ = SmallRoom
    ((_, loss, gradient),) = match(network, [chunk], means, at_a_time=sizes)
    assert float(loss) == pytest.approx(float(wanted[1]), rel=1e-5)
    scale = float(wanted[2].abs().max())
    torch.testing.assert_close(gradient, wanted[2], rtol=1e-4, atol=1e-6 * scale)


def test_an_insertion_that_runs_out_of_memory_changes_nothing_and_is_repeated(monkeypatch):
    chunk, cat, calls = chunks_of([2])[0], torch.cat, []
    before = chunk.frames.clone()

    def failing(tensors, *rest):
        calls.append(len(chunk.positions))
        if len(calls) <= 2:  # the frames at the first attempt, the momentum at the second
            raise torch.OutOfMemoryError("CUDA out of memory")
        return cat(tensors, *rest)

    monkeypatch.setattr(torch, "cat", failing)
    with pytest.raises(torch.OutOfMemoryError):
        ClipsAtATime(1, 1).whole(lambda: chunk.insert([(0, 1)], 3))
    assert chunk.positions.tolist() == [0, T - 1] * 2
    assert torch.equal(chunk.frames, before)
    ClipsAtATime(1, 1).whole(lambda: chunk.insert([(0, 1)], 3))
    assert chunk.positions.tolist() == [0, 1, T - 1, 0, T - 1]
    assert set(calls) == {4}


def test_a_smaller_limit_is_reported_and_kept():
    sizes = ClipsAtATime(64, 64)
    clips = torch.randn(6, T, 3, SIZE, SIZE)
    with pytest.warns(
        RuntimeWarning, match="with 6 real clips at a time; continuing with 3 .CUDA out of memory"
    ):
        sizes.embed_real(network_of(Small).embed, clips)
    assert sizes.provenance() == {"clips_at_a_time": {"real": 3, "synthetic": 64}}
    assert ClipsAtATime(64, 64).provenance() == {}


def test_other_errors_are_not_caught():
    def embed(_clips):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        ClipsAtATime(8, 8).embed_real(embed, torch.zeros(4, 1))


@pytest.mark.filterwarnings("ignore:out of memory")
def test_a_device_too_small_for_one_clip_ends_the_run_and_keeps_the_checkpoint(config, videos, monkeypatch):
    settings = config(checkpoint_every=2)
    embed, calls = ConvNet3D.embed, []

    def shrinking(self, clips):
        calls.append(len(clips))
        if len(calls) > 24:  # after some steps
            raise torch.OutOfMemoryError("CUDA out of memory")
        return embed(self, clips)

    monkeypatch.setattr(ConvNet3D, "embed", shrinking)
    with pytest.raises(OutOfMemoryError, match=r"--max-memory.*--resume continues from the last checkpoint"):
        condense(settings, videos)
    monkeypatch.setattr(ConvNet3D, "embed", embed)
    assert calls[-1] == 1
    assert checkpoints_of(settings.out)
    condense(config(checkpoint_every=2, resume=True), videos)
    with open_store(settings.out) as store:
        assert "clips_at_a_time" not in store.attributes["provenance"]
        resumed = store.stored_frames(0, 1).copy()
    condense(config(overwrite=True), videos)
    with open_store(settings.out) as store:
        assert np.array_equal(store.stored_frames(0, 1), resumed)


@pytest.mark.filterwarnings("ignore:out of memory")
def test_a_store_records_that_memory_ran_out(config, videos, monkeypatch):
    settings = config()
    condense(settings, videos)
    with open_store(settings.out) as store:
        wanted = store.stored_frames(0, 12).copy()
    embed = ConvNet3D.embed

    def small(self, clips):
        if len(clips) > 2:  # the number of clips that the kernel check needs
            raise torch.OutOfMemoryError("CUDA out of memory")
        return embed(self, clips)

    monkeypatch.setattr(ConvNet3D, "embed", small)
    condense(config(overwrite=True), videos)
    with open_store(settings.out) as store:
        told = store.attributes["provenance"]["clips_at_a_time"]
        assert told["real"] == 2
        np.testing.assert_allclose(store.stored_frames(0, 12), wanted, atol=1e-3)


LIMITED = """
import warnings, torch
from pathlib import Path
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.condense.runtime.device import limited_memory
from dfs_store.networks import ConvNet3D

class Hungry(ConvNet3D):
    def embed(self, clips):
        # All that a step needs in one piece: libraries below torch may crash where a small piece is refused.
        torch.empty(len(clips) * 100 * 2**20, dtype=torch.uint8)
        return super().embed(clips)

warnings.simplefilter("always")
torch.set_num_threads(1)
network = Hungry(2, 4, 43).requires_grad_(False).eval()
cotangent, values = torch.randn(16, network.num_features), torch.randn(16, 4, 3, 43, 43)

class Clips:
    def __len__(self):
        return len(values)

    def render(self, part):
        return values[part].clone()

clips = Clips()
sizes = ClipsAtATime(16, 16)
wanted = ClipsAtATime(2, 2).gradient(network, clips, cotangent)
status = Path("/proc/self/status").read_text().splitlines()
taken = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
with limited_memory(torch.device("cpu"), max(taken, 2**30) + 300 * 2**20):
    found = sizes.gradient(network, clips, cotangent)
torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
print(sizes.synthetic)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_run_survives_a_real_lack_of_memory():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "with 16 synthetic clips at a time; continuing with 8" in done.stderr
    assert 1 <= int(done.stdout) <= 4


def test_max_memory_determines_how_many_clips_are_processed_at_a_time():
    shape = 16, (3, 112, 112)
    assert total_memory_bytes(CPU) is None
    assert real_clips_at_a_time(CPU, *shape, 64) == 64
    with limited_memory(CPU, 2**30 + 2**30):
        assert total_memory_bytes(CPU) == 2**30
        assert real_clips_at_a_time(CPU, *shape, 64) == 2**28 // clip_activation_bytes(*shape) < 8
    assert total_memory_bytes(CPU) is None


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_without_a_number_is_the_current_device(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    # torch checks its arguments as usual; only the driver is replaced
    class Properties:
        total_memory = 80 * 2**30

    fractions = {0: 1.0}
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    monkeypatch.setattr("torch.cuda.memory._lazy_init", lambda: None)
    monkeypatch.setattr("torch._C._cuda_getMemoryFraction", fractions.__getitem__, raising=False)
    monkeypatch.setattr(
        "torch._C._cuda_setMemoryFraction",
        lambda share, number: fractions.update({number: share}),
        raising=False,
    )
    device = resolve_device(name)
    assert device == torch.device("cuda", 0)
    assert total_memory_bytes(device) == 79 * 2**30  # excludes CUDA's context
    with limited_memory(device, 20 * 2**30):
        assert total_memory_bytes(device) == 19 * 2**30
        fitting = real_clips_at_a_time(device, 16, (3, 112, 112), 64)
        assert 64 < fitting < 512  # clips of several classes
    assert total_memory_bytes(device) == 79 * 2**30  # excludes CUDA's context


def test_a_limit_below_the_needs_of_torch_raises_an_error():
    with (
        pytest.raises(SettingsError, match="--max-memory must be more than the 1,073,741,824 bytes"),
        limited_memory(CPU, 1000),
    ):
        pass
