"""`dfs motion` on a store of real clips, whose motion equals that of the dataset."""

import numpy as np
import pytest

SMALL = ("--classes", "still,fast", "--frames", "4", "--size", "43", "--device", "cpu")


@pytest.fixture
def store(dfs, tmp_path):
    path = tmp_path / "s.zarr"
    words = ("--dataset", "moving-shapes", "--vpc", "100", "--method", "random", *SMALL, "--out", path)
    assert dfs("condense", *words).code == 0
    return path


def test_all_real_clips_move_like_themselves(dfs, store, tmp_path):
    picture = tmp_path / "flow.png"
    found = dfs("motion", store, "--out", picture, "--json").document
    assert found["schema"] == "dfs.motion/1"
    assert found["per_class"]["still"] is None
    assert found["per_class"]["fast"] == pytest.approx(1, abs=1e-3)
    assert found["mean_cosine"] == found["per_class"]["fast"]
    assert found["end_point_error_per_class"]["still"] is None
    assert found["mean_end_point_error"] == found["end_point_error_per_class"]["fast"]
    assert 0 <= found["mean_end_point_error"] < 0.05
    assert found["ignored_classes"] == ["still"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    text = dfs("motion", store).stdout
    assert "ignored: almost nothing moves" in text
    assert "end-point error" in text
    assert "+1.000" in text


def test_an_unwritable_picture_is_refused_before_anything_is_computed(dfs, store, tmp_path):
    (tmp_path / "mine.png").write_bytes(b"precious")
    for name, said in (
        ("no/flow.png", "does not exist"),
        ("flow.nonsense", "must end in .png, .jpg or .jpeg"),
        ("s.zarr/flow.png", "is inside the store"),
        ("mine.png", "add --overwrite"),
    ):
        outcome = dfs("motion", store, "--out", tmp_path / name)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert said in outcome.stderr
        assert "motion: " not in outcome.stderr
    assert (tmp_path / "mine.png").read_bytes() == b"precious"
    assert dfs("motion", store, "--out", tmp_path / "mine.png", "--overwrite").code == 0
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_recorded_dataset_the_error_names_the_flag(dfs, tmp_path):
    from dfs_store import StoreWriter

    with StoreWriter(tmp_path / "x.h5", num_frames=2, frame_shape=(3, 8, 8), class_names=["a"]) as writer:
        writer.append(np.zeros((1, 3, 8, 8), np.float32), [0], 0)
    outcome = dfs("motion", tmp_path / "x.h5")
    assert outcome.code == 2
    assert "--dataset" in outcome.stderr
