"""Every method on a GPU that is not there: devices are never mixed, and the result is that of the CPU."""

import dataclasses

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.condense import condense
from dfs_store.condense.engine import extractor
from dfs_store.condense.engine.extractor import EXTRACTOR_TRAINING

ENGINE = "dfs_store.condense.engine"
PLACES = ("resident", "streamed", "hosted")


@pytest.fixture(autouse=True)
def short_training(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    training = dataclasses.replace(EXTRACTOR_TRAINING, epochs=1, batch_size=8)
    monkeypatch.setattr(extractor, "EXTRACTOR_TRAINING", training)


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
    # As a whole: the CPU runs its layers in another order.
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


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(
    "changes",
    [
        {"epsilon": 2.0, "gradient": "accumulated"},
        {"epsilon": 2.0, "init": "herding", "vpc": 1, "encoding": "webp:80", "iterations": 3},
        {"method": "dm", "init": "real", "precision": "bf16", "iterations": 2},
        {"method": "static-dynamic", "vpc": 1, "static_iterations": 1, "iterations": 1, "lr": 1.0},
    ],
    ids=lambda changes: changes.get("method", "dfs"),
)
def test_methods_that_iterate(config, videos, tmp_path, monkeypatch, work, where, changes):
    here, there = str(tmp_path / "here.zarr"), str(tmp_path / "there.zarr")
    condense(config(out=here, **changes), videos)
    work.reset()
    place(monkeypatch, where)
    condense(config(out=there, device="cuda", **changes), videos)
    assert work.kernels > 0
    assert work.in_any_order == {}
    assert_same(there, here, 2e-2 if "precision" in changes else 1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"key_frames": 2}, {"method": "herding"}, {"method": "k-center"}, {"method": "pack", "key_frames": 2}],
    ids=lambda changes: changes.get("method", "random"),
)
def test_methods_that_keep_real_clips(config, videos, tmp_path, work, changes):
    changes = {"method": "random", "lr": None, "iterations": None, "batch_real": None, **changes}
    changes = {name: value for name, value in changes.items() if value is not None}
    there = str(tmp_path / "there.zarr")
    base = {name: getattr(config(), name) for name in ("dataset",)}
    from dfs_store.condense import CondenseConfig

    settings = CondenseConfig(out=there, vpc=1, device="cuda", **base, **changes)
    with condense(settings, videos) as store:
        assert len(store) == 3
    assert work.in_any_order == {}


def test_chunks_smaller_than_a_class_and_a_resumed_run(config, videos, tmp_path, monkeypatch, work):
    here, there = str(tmp_path / "here.zarr"), str(tmp_path / "there.zarr")
    condense(config(out=here, epsilon=2.0), videos)
    monkeypatch.setattr(f"{ENGINE}.initialise.chunk_clips", lambda *_: 1)

    class Stop(BaseException):
        pass

    def stop(event):
        if getattr(event, "step", None) == 2 and hasattr(event, "loss"):
            raise Stop

    with pytest.raises(Stop):
        condense(config(out=there, epsilon=2.0, device="cuda"), videos, on_event=stop)
    condense(config(out=there, epsilon=2.0, device="cuda", resume=True), videos)
    assert_same(there, here)


def test_soft_labels(config, videos, tmp_path, work):
    settings = config(method="random", soft_labels=True, device="cuda", out=str(tmp_path / "soft.zarr"))
    settings = dataclasses.replace(settings, iterations=None, lr=None, batch_real=None)
    with condense(settings, videos) as store:
        assert store.soft_labels.shape == (6, 3)
    assert work.in_any_order == {}
