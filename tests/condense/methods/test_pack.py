"""Real clips reduced to key frames by number, error or budget."""

import itertools

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.byte_sizes import parse_bytes
from dfs_store.condense import condense, plan_run
from dfs_store.errors import SettingsError
from dfs_store.format import key_frames_within

PACK = {"method": "pack", "extractor": "random", "iterations": None, "lr": None, "batch_real": None}


def rms(store, videos, number):
    """Returns the root-mean-square error of a stored clip, in 8-bit levels, and its source."""
    source = store.attributes["provenance"]["sources"][number]
    real = next(i for i in range(len(videos)) if videos.source(i)["clip"] == source["clip"])
    std = np.array(videos.normalization["std"]).reshape(3, 1, 1)
    difference = (store.clip(number) - videos.clip(real).numpy().transpose(1, 0, 2, 3)) * std * 255
    return float(np.sqrt((difference**2).mean())), source


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_key_frames_limits_the_number_per_clip(config, videos, dtype):
    settings = config(**PACK, key_frames=3, dtype=dtype)
    condense(settings, videos)
    with open_store(settings.out) as store:
        assert store.dtype == (dtype or "uint8")
        counts = np.diff(store.offsets)
        assert counts.max() == 3
        for number in range(len(store)):
            error, source = rms(store, videos, number)
            if source["psnr"] is None:  # a still clip is rebuilt from one key frame
                assert counts[number] == 1
            if source["psnr"] is None or dtype is None:
                continue
            assert 20 * np.log10(255 / error) == pytest.approx(source["psnr"], abs=0.02)
        assert store.attributes["provenance"]["fit"]["psnr"] > 0
        assert store.attributes["provenance"]["extractor"]["kind"] == "random"


def test_max_error_uses_the_fewest_key_frames_that_keep_it(config, videos, tmp_path):
    counts = []
    for allowed in (0.0, 5.0, 15.0, 255.0):
        settings = config(**PACK, max_error=allowed, dtype="float32", out=str(tmp_path / f"{allowed}.zarr"))
        condense(settings, videos)
        with open_store(settings.out) as store:
            assert all(rms(store, videos, i)[0] <= allowed + 1e-3 for i in range(len(store)))
            counts.append(np.diff(store.offsets).tolist())
    assert all(a >= b for more, fewer in itertools.pairwise(counts) for a, b in zip(more, fewer, strict=True))
    assert counts[0][:2] == [6, 6]  # `fast` moves in every frame
    assert counts[-1] == [1] * 6


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_a_budget_is_kept_and_used(config, videos, tmp_path, dtype):
    frame = 3 * 43 * 43 * {"uint8": 1, "float16": 2, "float32": 4}[dtype]
    budget = 14 * (frame + 40)
    settings = config(**PACK, budget=str(budget), dtype=dtype)
    condense(settings, videos)
    with open_store(settings.out) as store:
        report = store.storage
        assert report.key_frame_bytes + report.index_bytes <= budget
        total = int(store.offsets[-1])
        assert total == key_frames_within(budget, 6, (3, 43, 43), dtype) == 14
        still = store.class_names.index("still")
        assert np.diff(store.offsets)[np.asarray(store.labels) == still].tolist() == [1, 1]


def test_clips_keep_at_least_two_key_frames_if_the_budget_allows(config, videos, tmp_path):
    """Moving clips have two key frames before any clip has a third; --min-key-frames raises the minimum."""
    frame = 3 * 43 * 43 + 40
    for number, fewest, expected in ((12, None, 2), (11, None, 1), (20, 3, 3)):
        budget = number * frame
        settings = config(**PACK, budget=budget, min_key_frames=fewest, out=str(tmp_path / f"{number}.zarr"))
        with condense(settings, videos) as store:
            still = store.class_names.index("still")
            counts = np.diff(store.offsets)[np.asarray(store.labels) != still]
            assert store.storage.key_frame_bytes + store.storage.index_bytes <= budget
        assert counts.min() >= expected
    assert (
        plan_run(config(**PACK, budget=12 * frame, out=str(tmp_path / "p.zarr")), videos).most_bytes
        <= 12 * frame
    )
    with pytest.raises(SettingsError, match="6 clips need 3 each"):
        plan_run(config(**PACK, budget=17 * frame, min_key_frames=3, out=str(tmp_path / "p.zarr")), videos)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "needs exactly one of --budget.*got none"),
        ({"key_frames": 2, "budget": "1MiB"}, "got --budget and --key-frames"),
        ({"key_frames": 0}, "--key-frames must be at least 1"),
        ({"key_frames": 7}, r"--key-frames must be between 1 and 6"),
        ({"budget": "much"}, "--budget must be a size such as 20MiB.*'much'"),
        ({"budget": "0"}, "--budget must be a size"),
        ({"budget": "10KB"}, r"--budget 10KB \(10,000 bytes\) allows 1 key frame as uint8, but 6 clips"),
        ({"max_error": -1.0}, "--max-error"),
        (
            {"key_frames": 2, "min_key_frames": 3},
            "--min-key-frames must not exceed --key-frames, got 3 and 2",
        ),
        ({"max_error": 1.0, "min_key_frames": 7}, r"--min-key-frames must be between 1 and 6"),
        ({"max_error": float("nan")}, "--max-error"),
        ({"vpc": 6, "key_frames": 2}, "--vpc 6 needs 6 real clips"),
    ],
)
def test_invalid_settings_raise_an_error_and_leave_no_files(config, videos, tmp_path, changes, said):
    with pytest.raises(SettingsError, match=said):
        condense(config(**{**PACK, **changes}), videos)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "size"), [("20MiB", 20 * 2**20), ("1.5 GB", 1_500_000_000), ("300000", 300_000), ("7kib", 7168)]
)
def test_a_budget_may_be_written_with_a_unit(text, size):
    assert parse_bytes(text, "--budget") == size
