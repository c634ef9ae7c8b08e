"""Static-dynamic: joining memories by hand, both stages, resuming, and other readers."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dfs_store import open_store
from dfs_store.condense import StepDone, condense
from dfs_store.condense.engine.gradient_matching import gradient_distance
from dfs_store.condense.engine.memories import (
    MemoryClips,
    StaticDynamicClips,
    StaticDynamicMemory,
    memory_bytes,
)
from dfs_store.condense.engine.randomness import Purpose, numpy_generator, torch_generator
from dfs_store.condense.engine.real_clips import RealClips
from dfs_store.condense.engine.real_starts import chosen_real_clips
from dfs_store.condense.methods.dfs import frozen_network
from dfs_store.condense.methods.static_dynamic import _StaticDynamicRun
from dfs_store.condense.runtime.checkpoint import checkpoint_path
from dfs_store.condense.runtime.clips_at_a_time import ClipsAtATime
from dfs_store.errors import CheckpointError, DamagedStoreError, DivergedError
from dfs_store.evaluate import StoreClips, clips_of
from dfs_store.format import copy_store
from dfs_store.networks import FrameConvNet
from tests.condense.stopped_runs import condense_until


@pytest.fixture
def sd_config(config):
    def make(**changes):
        settings = {"method": "static-dynamic", "iterations": 2, "static_iterations": 2, "batch_real": 2}
        return config(**{**settings, "lr": 10.0, "integrator_lr": 1e-3, **changes})

    return make


@pytest.fixture
def memory():
    generator = torch.Generator().manual_seed(0)
    static = torch.randn(3 * 4, 3, 5, 5, generator=generator)  # 3 classes, vpc 2
    dynamic = torch.randn(3, 4, 6, 1, 5, 5, generator=generator)
    return StaticDynamicMemory(static, dynamic)


def arrays(path):
    with open_store(path) as store:
        return store.native_arrays()


def same(one, other):
    one, other = arrays(one), arrays(other)
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("vpc", "mebibytes"), [(1, 90.9), (5, 454.6)])
def test_storage_equals_the_papers_count_for_miniucf(vpc, mebibytes):
    assert memory_bytes(50, vpc, 16, (3, 112, 112)) / 2**20 == pytest.approx(mebibytes, abs=0.05)


def test_a_pair_is_joined_by_the_convolution(memory):
    videos, static, dynamic = np.array([3, 0, 5]), np.array([1, 0, 1]), np.array([0, 1, 1])
    clips = memory.render(videos, static, dynamic)
    assert clips.shape == (3, 6, 3, 5, 5)
    weight, bias = memory.integrator.weight, memory.integrator.bias
    for number, (label, j) in enumerate([(1, 1), (0, 0), (2, 1)]):
        frame = memory.static[4 * label + 2 * j + static[number]]
        motion = memory.dynamic[label, 2 * j + dynamic[number]]  # (T, 1, H, W)
        stacked = torch.cat([frame.expand(6, -1, -1, -1), motion], dim=1).transpose(0, 1)[None]
        expected = F.conv3d(stacked, weight, bias, padding=1)[0].transpose(0, 1)
        torch.testing.assert_close(clips[number], expected)
    assert memory.labels(videos).tolist() == [1, 0, 2]


def test_the_gradient_of_clips_reaches_the_memories_and_the_integrator(memory):
    memory.dynamic.requires_grad_()
    chunk = MemoryClips(memory, np.arange(6), np.array([[0, 1]] * 6))
    assert not chunk.render().requires_grad
    gradient = torch.randn(6, 6, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    chunk.pull_back(gradient)
    clips = memory.render(np.arange(6), np.zeros(6, dtype=np.int64), np.ones(6, dtype=np.int64))
    wanted = torch.autograd.grad((clips * gradient).sum(), [memory.dynamic, memory.integrator.weight])
    torch.testing.assert_close(memory.dynamic.grad, wanted[0])
    torch.testing.assert_close(memory.integrator.weight.grad, wanted[1])
    assert torch.count_nonzero(memory.dynamic.grad[:, ::2]) == 0  # the memories that no clip picked
    assert memory.static.grad is None


def test_a_run_has_both_stages_and_writes_a_store_for_every_reader(sd_config, videos):
    settings, events = sd_config(dtype="uint8"), []
    condense(settings, videos, on_event=events.append)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [(s.step, s.phase) for s in steps] == [
        (0, "static"),
        (1, "static"),
        (2, "dynamic"),
        (3, "dynamic"),
    ]
    assert all(np.isfinite(s.loss) and s.loss > 0 for s in steps)
    with open_store(settings.out) as store:
        native = store.native_arrays()
        assert {name: a.shape for name, a in native.items()} == {
            "dynamic": (3, 4, 6, 1, 43, 43), "integrator_bias": (3,), "integrator_weight": (3, 4, 3, 3, 3),
            "static": (12, 3, 43, 43),
        }  # fmt: skip
        assert (
            store.storage.native_bytes
            == memory_bytes(3, 2, 6, (3, 43, 43))
            == steps[-1].key_frame_bytes + 1308
        )
        assert store.labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert np.diff(store.offsets).tolist() == [6] * 6
        memory = StaticDynamicMemory.of_arrays(native, torch.device("cpu"))
        first = np.zeros((6, 2), dtype=np.int64)
        pairs = MemoryClips(memory, np.arange(6), first).render().numpy()
        for clip in range(6):
            np.testing.assert_allclose(store.clip(clip), pairs[clip], atol=0.05)
        provenance = store.attributes["provenance"]
        assert provenance["config"]["static_iterations"] == 2
        assert "epsilon" not in provenance["config"]
    assert not checkpoint_path(settings.out).exists()


def test_each_stage_trains_only_its_own_memory(sd_config, videos, tmp_path):
    outs = {}
    for name, static, dynamic in (("start", 1, 1), ("more static", 2, 1), ("more dynamic", 1, 2)):
        outs[name] = str(tmp_path / f"{name}.zarr")
        condense(sd_config(out=outs[name], static_iterations=static, iterations=dynamic), videos)
    start, more_static, more_dynamic = (arrays(outs[name]) for name in outs)
    assert not np.array_equal(start["static"], more_static["static"])
    assert np.array_equal(start["static"], more_dynamic["static"])
    for name in ("dynamic", "integrator_weight", "integrator_bias"):
        assert not np.array_equal(start[name], more_dynamic[name])


def test_the_first_dynamic_step_is_eq_8_by_autograd(sd_config, videos):
    settings = sd_config(static_iterations=1, iterations=1, lr=3.0).resolved()
    cpu = torch.device("cpu")
    run = _StaticDynamicRun(settings, videos, cpu, frozen_network(videos, cpu), ClipsAtATime(64, 64))
    with RealClips(videos, 2, settings.seed, cpu) as real:
        stepping = run.steps(real, 0)
        next(stepping)
        before = StaticDynamicMemory.of_arrays(run.memory.arrays(), cpu)
        event = next(stepping)
        network = frozen_network(videos, cpu)
        network.reset(torch_generator(settings.seed, Purpose.NETWORK, 1))
        picks = numpy_generator(settings.seed, Purpose.PAIRS, 1).integers(0, 2, (6, 2))
        before.dynamic.requires_grad_()
        embedded = network.embed(before.render(np.arange(6), picks[:, 0], picks[:, 1]))
        loss = 0.0
        for label, clips in enumerate(clips for batch in real.batches(1) for clips in batch.classes()):
            loss = (
                loss
                + (network.embed(clips).mean(0) - embedded[2 * label : 2 * label + 2].mean(0)).square().sum()
            )
        loss.backward()
    assert event.loss == pytest.approx(float(loss.detach()), rel=1e-4)
    moved = before.dynamic.detach() - 3.0 * before.dynamic.grad
    torch.testing.assert_close(run.memory.dynamic.detach(), moved, rtol=1e-3, atol=1e-5)
    for name, parameter in before.integrator.named_parameters():
        moved = parameter.detach() - 1e-3 * parameter.grad
        torch.testing.assert_close(dict(run.memory.integrator.named_parameters())[name].detach(), moved)


def test_two_static_steps_are_gradient_matching_by_hand(sd_config, videos):
    settings = sd_config(static_iterations=2, iterations=1, static_lr=0.2).resolved()
    cpu = torch.device("cpu")
    run = _StaticDynamicRun(settings, videos, cpu, frozen_network(videos, cpu), ClipsAtATime(64, 64))
    start = run.memory.static.clone()
    static, velocity = start, torch.zeros_like(start)
    network, seen = FrameConvNet(3, 43), set()
    with RealClips(videos, 2, settings.seed, cpu) as real:
        stepping = run.steps(real, 0)
        for step in range(2):
            event = next(stepping)
            network.reset(torch_generator(settings.seed, Purpose.NETWORK, step))
            loss = 0.0
            frames_of = static.clone().requires_grad_()
            for label, clips in enumerate(clips for batch in real.batches(step) for clips in batch.classes()):
                draws = numpy_generator(settings.seed, Purpose.STATIC_FRAMES, step, label)
                at = draws.integers(0, 6, 2)
                seen |= set(at.tolist())
                frames = torch.stack([clip[int(t)] for clip, t in zip(clips, at, strict=True)])
                grads = [
                    torch.autograd.grad(
                        F.cross_entropy(network(f), torch.full((len(f),), label)),
                        list(network.parameters()),
                        create_graph=True,
                    )
                    for f in (frames, frames_of[4 * label : 4 * label + 4])
                ]
                loss = loss + gradient_distance([g.detach() for g in grads[0]], grads[1])
            (gradient,) = torch.autograd.grad(loss, frames_of)
            velocity = 0.5 * velocity + gradient
            static = static - 0.2 * velocity
            assert event.loss == pytest.approx(float(loss.detach()), rel=1e-3)
            # Cosines of tiny gradients amplify rounding, so compare with how far the memories have moved.
            assert (run.memory.static - static).norm() < 0.01 * (static - start).norm()
    assert len(seen) > 1


def test_classes_in_several_chunks_are_matched_as_one(sd_config, videos, tmp_path, monkeypatch):
    whole, cut = str(tmp_path / "whole.zarr"), str(tmp_path / "cut.zarr")
    condense(sd_config(out=whole, static_iterations=1), videos)
    module = sys.modules[_StaticDynamicRun.__module__]  # the package has a function of that name
    monkeypatch.setattr(module, "chunk_clips", lambda *_: 1)
    condense(sd_config(out=cut, static_iterations=1), videos)
    one, other = arrays(whole), arrays(cut)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4)


def test_the_same_seed_repeats_and_memories_can_start_from_real_frames(sd_config, videos, tmp_path):
    one, two, three, real = (str(tmp_path / f"{n}.zarr") for n in ("1", "2", "3", "real"))
    for out, changes in ((one, {}), (two, {}), (three, {"seed": 1}), (real, {"init": "real"})):
        condense(sd_config(out=out, static_iterations=1, iterations=1, **changes), videos)
    assert same(one, two)
    assert not same(one, three)
    assert abs(arrays(real)["static"]).max() < 4 < abs(arrays(one)["static"]).max()  # frames, not noise


@pytest.mark.parametrize("last", [0, 1, 2, 3])
def test_a_stopped_run_resumes_to_the_same_arrays(sd_config, videos, tmp_path, last):
    whole, stopped = str(tmp_path / "whole.zarr"), str(tmp_path / "stopped.zarr")
    condense(sd_config(out=whole), videos)
    condense_until(last, sd_config(out=stopped), videos)
    assert checkpoint_path(stopped).exists()
    condense(sd_config(out=stopped, resume=True), videos)
    assert same(whole, stopped)


@pytest.mark.parametrize("flag", ["--static-lr", "--lr", "--integrator-lr"])
def test_a_run_that_diverges_in_its_last_step_names_the_stage_and_leaves_no_store(sd_config, videos, flag):
    settings = sd_config(static_iterations=1, iterations=1, **{flag.strip("-").replace("-", "_"): 3e38})
    with pytest.raises(DivergedError, match=f"at step [01]: .* with {flag} 3e"):
        condense(settings, videos)
    assert not checkpoint_path(settings.out).exists()


def test_a_checkpoint_of_different_clips_raises_an_error(sd_config, videos):
    from dfs_store import open_videos

    condense_until(0, sd_config(), videos)
    for changed in ({"frames": 5}, {"classes": ("fast", "still")}):
        cut = {"frames": 6, "size": 43, "clips_per_class": 5, "classes": videos.classes, **changed}
        others = open_videos("moving-shapes", **cut)
        with pytest.raises(CheckpointError, match=r"real clips was '\w+', now '\w+'"):
            condense(sd_config(resume=True), others)


def test_the_real_clips_at_the_start_are_recorded(sd_config, videos):
    settings = sd_config(static_iterations=1, iterations=1, init="real")
    condense(settings, videos)
    with open_store(settings.out) as store:
        sources = store.attributes["provenance"]["sources"]
    numbers = chosen_real_clips(videos, 2, 0).tolist()
    assert sources == [videos.source(number) for number in numbers]


def test_evaluation_draws_new_pairs_in_every_epoch(sd_config, videos):
    settings = sd_config(static_iterations=1, iterations=1)
    condense(settings, videos)
    clips = clips_of(settings.out)
    assert isinstance(clips, StaticDynamicClips)
    assert (len(clips), clips.classes) == (6, list(videos.classes))

    def epoch(number, seed=0):
        batches = list(clips.batches(4, number, seed))
        assert [len(y) for _, y in batches] == [4, 2]
        return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert sorted(first[1].tolist()) == [0, 0, 1, 1, 2, 2]
    assert torch.equal(first[0], again[0])
    seen = {tuple(clip.flatten()[:50].tolist()) for x, _ in (epoch(n) for n in range(30)) for clip in x}
    assert len(seen) == 6 * 4  # every clip in each of its four pairs
    assert not torch.equal(first[0], second[0])


def test_a_copy_with_fewer_classes_is_evaluated_on_its_key_frames(sd_config, videos, tmp_path):
    settings = sd_config(static_iterations=1, iterations=1)
    condense(settings, videos)
    copy_store(settings.out, tmp_path / "part.h5", classes=["fast", "slow"])
    assert isinstance(clips_of(tmp_path / "part.h5"), StoreClips)


def test_memories_that_do_not_match_the_store_raise_an_error(tmp_path, memory):
    from dfs_store import StoreWriter

    half = {name: array.astype(np.float16) for name, array in memory.arrays().items()}
    short = {"dynamic": memory.dynamic[:, :, :3].numpy()}
    for name, change in (("short.h5", short), ("none.h5", None), ("half.h5", half), ("order.h5", {})):
        with StoreWriter(
            tmp_path / name, num_frames=6, frame_shape=(3, 5, 5), class_names=["a", "b", "c"]
        ) as writer:
            for clip in range(6):
                writer.append(np.zeros((1, 3, 5, 5)), [0], clip % 3 if name == "order.h5" else clip // 2)
            given = {**memory.arrays(), **change} if change is not None else {"static": memory.static.numpy()}
            writer.write_native("static-dynamic", given)
        with pytest.raises(DamagedStoreError, match="native arrays that are not static-dynamic memories"):
            clips_of(tmp_path / name)
