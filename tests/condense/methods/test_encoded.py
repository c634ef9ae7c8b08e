"""Condensing to image files: recorded errors match the files, and budgets are kept."""

from dataclasses import replace

import numpy as np
import pytest

from dfs_store import open_store
from dfs_store.condense import ClipsFitted, StepDone, condense
from dfs_store.condense.fitting.share_out import PricedOption, share_out
from dfs_store.errors import SettingsError
from dfs_store.format import copy_store, verify
from dfs_store.format.coded.levels import pixel_levels
from tests.condense.methods.test_pack import PACK, rms
from tests.condense.stopped_runs import condense_until

ENCODINGS = ["webp", "avif"]


def psnr_of(store, videos):
    """Returns the PSNR of every clip rebuilt from the store, in dB."""
    return np.array([20 * np.log10(255 / rms(store, videos, number)[0]) for number in range(len(store))])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_recorded_error_is_the_error_of_the_rebuilt_clips(config, videos, encoding):
    settings = config(**PACK, key_frames=3, encoding=encoding)
    condense(settings, videos)
    with open_store(settings.out) as store:
        assert (store.frame_encoding, store.dtype) == (encoding, "uint8")
        found, sources = psnr_of(store, videos), store.attributes["provenance"]["sources"]
        np.testing.assert_allclose(found, [source["psnr"] for source in sources], atol=0.02)
        about = store.attributes["provenance"]
        assert about["fit"]["psnr"] == pytest.approx(found.mean(), abs=0.02)
        assert about["fit"]["psnr_of"] == f"rebuilt clips, peak 255, after encoding as {encoding}"
        assert about["frame_encoding"]["quality"] == {"webp": 75, "avif": 60}[encoding]
        assert about["config"]["encoding"] == encoding
    assert list(verify(settings.out)) == []


@pytest.mark.parametrize("encoding", [*ENCODINGS, "webp:40"])
def test_a_budget_is_kept_and_shared_out_over_clips_and_quality(config, videos, encoding):
    settings = config(**PACK, budget="9kB", encoding=encoding)
    events = []
    condense(settings, videos, on_event=events.append)
    with open_store(settings.out) as store:
        report = store.storage
        assert 0.6 * 9000 < report.key_frame_bytes + report.index_bytes <= 9000
        still = np.asarray(store.labels) == store.class_names.index("still")
        counts = np.diff(store.offsets)
        assert counts[still].max() == 1 < counts[~still].min()
        qualities = store.attributes["provenance"]["frame_encoding"]["quality"]
        assert (qualities == 40) if ":" in encoding else isinstance(qualities, list)
    told = [(event.done, event.num_clips) for event in events if isinstance(event, ClipsFitted)]
    assert told == [(number, 12) for number in range(1, 13)]


def test_choosing_the_quality_lowers_the_error_within_a_budget(config, videos, tmp_path):
    found = {}
    for encoding in ("webp", "webp:95"):
        settings = config(**PACK, budget="9kB", encoding=encoding, out=str(tmp_path / f"{encoding}.zarr"))
        condense(settings, videos)
        with open_store(settings.out) as store:
            found[encoding] = store.attributes["provenance"]["fit"]["psnr_of_mean_error"]
    assert found["webp"] > found["webp:95"] + 1


def test_max_error_is_kept_after_encoding(config, videos):
    settings = config(**PACK, max_error=12.0, encoding="webp:90")
    condense(settings, videos)
    with open_store(settings.out) as store:
        assert max(rms(store, videos, number)[0] for number in range(len(store))) <= 12.0 + 1e-3


def test_real_clips_are_encoded_like_a_copy_of_their_store(config, videos, tmp_path):
    plain = config(method="random")
    coded = config(method="random", encoding="webp:90", out=str(tmp_path / "coded.zarr"))
    for settings in (plain, coded):
        condense(settings, videos)
    copy_store(plain.out, tmp_path / "copy.zarr", encoding="webp:90")
    with (
        open_store(plain.out) as before,
        open_store(coded.out) as after,
        open_store(tmp_path / "copy.zarr") as copy,
    ):
        assert copy.content_digest == after.content_digest
        std = np.array(before.normalization["std"])[:, None, None]
        pairs = [(before.key_frames(i), after.key_frames(i)) for i in range(len(before))]
        each = [20 * np.log10(1 / np.sqrt(np.square((old - new) * std).mean())) for old, new in pairs]
        about = after.attributes["provenance"]["frame_encoding"]
        assert about["psnr"] == pytest.approx(np.mean(each), abs=0.05)
        assert about["clipped_share"] < 0.01
        assert after.storage.key_frame_bytes < before.storage.key_frame_bytes / 8


@pytest.mark.parametrize("method", ["dfs", "dm"])
def test_trained_frames_are_encoded_after_training(config, videos, tmp_path, method):
    plain = config(method=method, lr=500.0, dtype="float32")
    coded = config(method=method, lr=500.0, encoding="webp:30", out=str(tmp_path / "coded.zarr"))
    losses = []
    for settings in (plain, coded):
        events = []
        condense(settings, videos, on_event=events.append).close()
        losses.append([event.loss for event in events if isinstance(event, StepDone)])
    assert losses[0] == losses[1]
    copy_store(plain.out, tmp_path / "copy.zarr", encoding="webp:30")
    with open_store(coded.out) as store, open_store(tmp_path / "copy.zarr") as copy:
        assert store.content_digest == copy.content_digest
        # At this learning rate, the key frames of dfs exceed the range of pixels, so each level spans more.
        assert method == "dm" or (store.levels.scale > pixel_levels(store.normalization, 3).scale).all()


def test_an_encoded_run_resumes_to_the_same_clips(config, videos, tmp_path):
    whole = config(encoding="avif:40", out=str(tmp_path / "whole.zarr"))
    condense(whole, videos)
    halted = config(encoding="avif:40", out=str(tmp_path / "halted.zarr"))
    condense_until(2, halted, videos)
    condense(replace(halted, resume=True), videos)
    with open_store(whole.out) as first, open_store(halted.out) as second:
        assert first.content_digest == second.content_digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoding": "jpeg"}, "--encoding must be none, webp.*'jpeg'"),
        ({"encoding": "webp:101"}, "--encoding: the quality must be a whole number from 0 to 100, got '101'"),
        ({"encoding": "webp", "dtype": "float32"}, "--encoding webp.*--dtype must be uint8, got 'float32'"),
        ({"encoding": "avif", "method": "static-dynamic"}, "--encoding is not used by method static-dynamic"),
        (
            {**PACK, "budget": "500", "encoding": "webp"},
            r"--budget 500 \(500 bytes\) is too small: 6 clips need",
        ),
    ],
)
def test_invalid_settings_raise_an_error_and_leave_no_files(config, videos, tmp_path, changes, said):
    with pytest.raises(SettingsError, match=said):
        condense(config(**changes), videos)
    assert not list(tmp_path.iterdir())


def test_a_budget_goes_where_it_lowers_the_error_most():
    flat = [PricedOption(10, 5.0), PricedOption(40, 4.0)]
    steep = [PricedOption(10, 100.0), PricedOption(20, 90.0), PricedOption(30, 20.0), PricedOption(35, 25.0)]
    assert share_out([flat, steep], 40) == [0, 2]  # the hull skips 20, and 35 is not better than 30
    assert share_out([flat, steep], 70) == [1, 2]
    assert share_out([flat, steep], 39) == [0, 0]
