"""Every method on a simulated GPU: devices are never mixed, and results equal the CPU's."""

import numpy as np
import pytest

from dfs_store import open_store, open_videos
from dfs_store.condense import CondenseConfig, StepDone, condense, plan_run
from dfs_store.networks import ConvNet3D
from tests.condense.many_classes import many_classes
from tests.condense.stopped_runs import condense_until

ENGINE = "dfs_store.condense.engine"
PLACES = ("resident", "streamed", "hosted")

pytestmark = pytest.mark.usefixtures("short_training")


def arrays(path):
    with open_store(path) as store:
        native = store.native_arrays() if store.native_method else {}
        frames = [store.key_frames(number) for number in range(len(store))]
        return np.concatenate(frames), store.offsets.tolist(), native, store.soft_labels


def assert_same(path, other, tolerance=1e-3):
    (frames, offsets, native, soft), (others, other_offsets, other_native, other_soft) = map(
        arrays, (path, other)
    )
    assert offsets == other_offsets
    # Compared as a whole, because the CPU sums in a different order.
    assert np.linalg.norm(frames - others) < tolerance * np.linalg.norm(others)
    for name, values in native.items():
        np.testing.assert_allclose(values, other_native[name], rtol=1e-2, atol=1e-3)
    if soft is not None:
        np.testing.assert_allclose(soft, other_soft, rtol=1e-2, atol=1e-2)


def place(monkeypatch, where):
    if where == "streamed":
        monkeypatch.setattr(f"{ENGINE}.real_clips.real_clips_fit", lambda *_: False)
    elif where == "hosted":
        monkeypatch.setattr(f"{ENGINE}.initialise.KEY_FRAME_SHARE", 0.0)


METHODS = {
    "dfs": {"epsilon": 2.0, "gradient": "accumulated", "iterations": 3},
    "dm": {"method": "dm", "init": "real", "precision": "bf16", "iterations": 2},
    "static-dynamic": {"method": "static-dynamic", "vpc": 1, "static_iterations": 1, "iterations": 1},
}


@pytest.fixture(scope="module")
def small():
    return open_videos("moving-shapes", frames=4, size=43, clips_per_class=4, classes=("fast", "still"))


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_iterate_run_on_a_gpu(config, small, tmp_path, work, method):
    here = str(tmp_path / "here.zarr")
    condense(config(out=here, **METHODS[method]), small)
    for where in PLACES:
        there = str(tmp_path / f"{where}.zarr")
        work.reset()
        with pytest.MonkeyPatch.context() as patched:
            place(patched, where)
            condense(config(out=there, device="cuda", **METHODS[method]), small)
        assert work.kernels > 0
        assert work.in_any_order == {}
        assert_same(there, here, 2e-2 if method == "dm" else 1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "random", "key_frames": 2},
        {"method": "herding"},
        {"method": "k-center"},
        {"method": "pack", "key_frames": 2},
    ],
    ids=lambda changes: changes["method"],
)
def test_methods_that_keep_real_clips_run_on_a_gpu(small, tmp_path, work, changes):
    settings = CondenseConfig(
        out=str(tmp_path / "there.zarr"), dataset="moving-shapes", vpc=1, device="cuda", **changes
    )
    with condense(settings, small) as store:
        assert len(store) == 2
    assert work.in_any_order == {}


def test_resuming_with_chunks_smaller_than_a_class_equals_the_cpu(config, small, tmp_path, monkeypatch, work):
    options = {"insertion": False, "iterations": 3}
    here, there = str(tmp_path / "here.zarr"), str(tmp_path / "there.zarr")
    condense(config(out=here, **options), small)
    monkeypatch.setattr(f"{ENGINE}.initialise.chunk_clips", lambda *_: 1)
    condense_until(1, config(out=there, device="cuda", **options), small)
    condense(config(out=there, device="cuda", resume=True, **options), small)
    assert_same(there, here)


def test_soft_labels_are_computed_on_a_gpu(small, tmp_path, work):
    settings = CondenseConfig(
        out=str(tmp_path / "soft.zarr"),
        dataset="moving-shapes",
        vpc=2,
        method="random",
        soft_labels=True,
        device="cuda",
    )
    with condense(settings, small) as store:
        assert store.soft_labels.shape == (4, 2)
    assert work.in_any_order == {}


@pytest.mark.parametrize("method", ["dfs", "static-dynamic"])
def test_a_step_rarely_waits_for_the_device(config, tmp_path, work, method):
    """The number of waits does not depend on the number of classes."""
    videos, steps = many_classes(12), []
    options = (
        {"epsilon": 2.0, "warmup": 0.0, "cooldown": 0.0} if method == "dfs" else {"static_iterations": 1}
    )

    def look(event):
        if isinstance(event, StepDone):
            steps.append((work.synchronisations, dict(work.waited_at)))
        work.reset()

    run = config(
        out=str(tmp_path / "s.zarr"),
        method=method,
        vpc=1,
        iterations=2,
        device="cuda",
        batch_real=2,
        **options,
    )
    condense(run, videos, on_event=look)
    for synchronisations, lines in steps[1:]:
        assert synchronisations <= 5, lines


def test_the_plan_estimates_the_memory_in_use(config, tmp_path, work):
    videos = many_classes(20)
    settings = config(vpc=5, iterations=2, device="cuda", batch_real=3, epsilon=2.0, warmup=0.0, cooldown=0.0)
    plan = plan_run(settings, videos)
    assert plan.real_on_device
    assert plan.pinned_bytes == 0
    work.reset()
    condense(settings, videos)
    network = 4 * sum(each.numel() for each in ConvNet3D(20, 4, 43).parameters())
    at_a_time = max(plan.chunk_memory_bytes, plan.real_batch_bytes)
    forecast = network + plan.real_bytes + plan.key_frame_memory_bytes + at_a_time
    assert work.peak_bytes < forecast < 2 * work.peak_bytes
