"""Several stores as one dataset."""

import pytest
import torch

from dfs_store import DFSDataset, DFSLoader
from dfs_store.errors import SettingsError
from tests.loaders.stores import IMAGENET, assert_same, write_store


@pytest.fixture
def join(tmp_path):
    def write(*, first=None, **second):
        return [
            write_store(tmp_path / "a.zarr", **(first or {})),
            write_store(tmp_path / "b.h5", seed=1, counts=(3, 2), **second),
        ]

    return write


@pytest.mark.parametrize(
    "dtypes", [("float32", "float32"), ("uint8", "uint8"), ("float32", "uint8"), ("float16", "uint8")]
)
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("normalization", ["stored", None])
def test_the_clips_of_all_stores_are_in_order(join, dtypes, in_memory, normalization):
    paths = join(first={"dtype": dtypes[0]}, dtype=dtypes[1])
    joined = DFSDataset(paths, in_memory=in_memory, normalization=normalization)
    alone = [item for path in paths for item in DFSDataset(path, normalization=normalization)]
    assert len(joined) == len(alone) == 9
    for (clip, label), (expected, expected_label) in zip(joined, alone, strict=True):
        torch.testing.assert_close(clip, expected, rtol=0, atol=1e-6)
        assert label == expected_label
    assert joined.targets == [0, 1, 2, 0, 1, 2, 0, 0, 1]


def test_a_batch_can_mix_stores(join):
    joined = DFSDataset(join(dtype="uint8"))
    clips, labels = next(iter(DFSLoader(joined, 9)))
    assert_same(clips, torch.stack([clip for clip, _ in joined]))
    assert labels.tolist() == joined.targets


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            {"class_names": ("run", "swim", "jump")},
            r"same classes.*a\.zarr.*'jump', 'swim'.*b\.h5.*'swim', 'jump'",
        ),
        ({"frame_shape": (3, 6, 6)}, r"same frame shape.*\(3, 6, 5\).*\(3, 6, 6\)"),
        ({"num_frames": 9}, r"same num_frames.* has 8.* has 9; pass num_frames=\.\.\."),
        ({"normalization": None}, r"same normalization.*0\.485.* has None; pass"),
    ],
)
def test_differing_stores_are_refused_with_both_values(join, second, said):
    with pytest.raises(SettingsError, match=said):
        DFSDataset(join(**second))


def test_num_frames_joins_stores_with_different_lengths(join):
    paths = join(num_frames=16)
    joined = DFSDataset(paths, num_frames=12)
    alone = [clip for path in paths for clip, _ in DFSDataset(path, num_frames=12)]
    for (clip, _), expected in zip(joined, alone, strict=True):
        assert torch.equal(clip, expected)


def test_normalization_joins_stores_with_different_spaces(join):
    paths = join(normalization=None)
    joined = DFSDataset(paths, normalization=(IMAGENET["mean"], IMAGENET["std"]))
    assert torch.equal(joined[0][0], DFSDataset(paths[0])[0][0])
    alone = DFSDataset(paths[1], normalization=(IMAGENET["mean"], IMAGENET["std"]))
    torch.testing.assert_close(joined[7][0], alone[0][0], rtol=0, atol=1e-6)


def test_a_store_can_be_joined_with_itself(store_path):
    twice = DFSDataset([store_path, str(store_path)])
    assert torch.equal(twice[2][0], twice[9][0])


def test_long_values_are_abridged_in_the_message(join):
    many = tuple(f"class {number}" for number in range(400))
    with pytest.raises(SettingsError, match="same classes") as caught:
        DFSDataset(join(first={"class_names": many}, class_names=(*many, "one more")))
    assert len(str(caught.value)) < 1000
    assert "one more" in str(caught.value)
