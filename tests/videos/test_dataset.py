import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from dfs_store.errors import DatasetNotFoundError, SettingsError
from dfs_store.videos import VideoDataset, open_videos
from tests.videos.making import frame_of, make_folder

SMALL = {"frames": 4, "stride": 2, "size": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    make_folder(root / "train", clips=3)
    make_folder(root / "test", clips=2)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def videos(folder, cache):
    return open_videos(folder, cache_dir=cache, **SMALL)


def test_a_clip_is_normalised_as_in_torchvision(videos):
    clip, label = videos[4]
    assert clip.shape == (3, 4, 64, 64)
    assert clip.dtype == torch.float32
    assert clip.is_contiguous()
    assert (type(label), label) == (int, 1)
    mean = torch.tensor(videos.normalization["mean"]).view(3, 1, 1, 1)
    std = torch.tensor(videos.normalization["std"]).view(3, 1, 1, 1)
    pixels = torch.from_numpy(np.array(videos.pixels[4, 0])).permute(3, 0, 1, 2)
    assert torch.allclose(clip * std + mean, pixels / 255.0, atol=1e-6)


def test_the_attributes_of_torchvision(videos):
    assert videos.classes == ["left", "right"]
    assert videos.class_to_idx == {"left": 0, "right": 1}
    assert videos.targets == [0, 0, 0, 1, 1, 1]
    assert videos.labels.dtype == np.int64
    assert len(videos) == 6


def test_shapes(videos, folder, cache):
    assert (videos.num_frames, videos.frame_shape, videos.num_views) == (4, (3, 64, 64), 1)
    test = open_videos(folder, split="test", random_starts=3, cache_dir=cache, **SMALL)
    assert test.pixels.shape == (4, 4, 4, 64, 64, 3)
    assert isinstance(test.pixels, np.memmap)
    assert test.split == "test"
    assert "4 clips of 4x64x64, 2 classes, 4 views" in repr(test)


def test_the_first_view_of_a_test_clip_is_the_centre(folder, cache):
    test = open_videos(folder, split="test", random_starts=2, cache_dir=cache, **SMALL)
    assert [frame_of(picture) for picture in test.pixels[0, 0]] == [2, 4, 6, 8]  # 12 frames, 6 starts
    assert test.source(0) == {"file": "test/left/clip0.avi", "frames": [2, 4, 6, 8]}


def test_the_size_of_the_files_that_clips_were_cut_from(folder, cache):
    videos = open_videos(folder, cache_dir=cache, **SMALL)
    sizes = [(folder / videos.source(clip)["file"]).stat().st_size for clip in range(len(videos))]
    assert videos.source_bytes() == sum(sizes)
    assert videos.source_bytes([1, 1]) == sizes[1]
    assert open_videos("moving-shapes", frames=4, size=43).source_bytes() is None


def test_more_random_starts_begin_with_those_of_fewer(folder, tmp_path):
    def opened(count, seed=0):
        how = {"random_starts": count, "seed": seed, "cache_dir": tmp_path, **SMALL}
        return open_videos(folder, split="test", **how)

    centre, few, many = opened(0), opened(2), opened(5)
    assert [videos.num_views for videos in (centre, few, many)] == [1, 3, 6]
    assert np.array_equal(centre.pixels[:, 0], many.pixels[:, 0])
    assert np.array_equal(few.pixels, many.pixels[:, :3])
    starts = {frame_of(many.pixels[0, view, 0]) for view in range(1, 6)}
    assert len(starts) > 1
    assert opened(5).cache_path == many.cache_path
    assert opened(4).cache_path == many.cache_path  # has more views than are needed
    assert not np.array_equal(opened(5, seed=1).pixels[:, 1:], many.pixels[:, 1:])
    with pytest.raises(SettingsError, match="random_starts must be at least 0, got -1"):
        opened(-1)


def test_the_origin_of_each_clip(videos):
    source = videos.source(5)
    assert source["file"] == "train/right/clip2.avi"
    assert [frame_of(picture) for picture in videos.pixels[5, 0]] == source["frames"]


def test_fps_counts_sampled_frames(videos):
    assert videos.fps == 12.5  # 25 frames per second, every second one


def test_a_transform_receives_the_clip(folder, cache):
    videos = open_videos(folder, cache_dir=cache, transform=lambda clip: clip[:2], **SMALL)
    plain = open_videos(folder, cache_dir=cache, **SMALL)
    assert torch.equal(
        videos[0][0], plain[0][0][:, :2]
    )  # as for a store, time is the first dimension of a Video


def test_it_is_pickled_as_a_path(videos):
    clip = videos[3][0]
    packed = pickle.dumps(videos)
    assert len(packed) < 5000
    again = pickle.loads(packed)
    assert isinstance(again, VideoDataset)
    assert torch.equal(again[3][0], clip)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_it_works_in_a_loader_with_workers(videos, start):
    loader = DataLoader(videos, batch_size=4, num_workers=1, multiprocessing_context=start)
    clips = torch.cat([clips for clips, _ in loader])
    assert torch.equal(clips, torch.stack([videos[n][0] for n in range(6)]))


def test_clip_numbers_out_of_range_are_refused(videos):
    assert torch.equal(videos[-1][0], videos[5][0])
    for number in (6, -7):
        with pytest.raises(IndexError, match="6 clips"):
            videos[number]


def test_removed_prepared_clips_are_reported(videos, folder, tmp_path):
    import shutil

    gone = open_videos(folder, cache_dir=tmp_path, **SMALL)
    packed = pickle.dumps(gone)
    shutil.rmtree(gone.cache_path)
    with pytest.raises(DatasetNotFoundError, match="open the videos again"):
        pickle.loads(packed).source(0)


def shapes(**options):
    return open_videos("moving-shapes", frames=4, size=32, clips_per_class=3, **options)


def test_moving_shapes_need_no_files():
    videos = shapes()
    assert videos.pixels.shape == (3 * len(videos.classes), 1, 4, 32, 32, 3)
    assert videos.source(2) == {"generator": "moving-shapes", "seed": 0, "clip": 2}
    assert videos[0][0].shape == (3, 4, 32, 32)
    assert videos.cache_path is None
    assert np.array_equal(videos.pixels, pickle.loads(pickle.dumps(videos)).pixels)


def test_moving_shapes_differ_by_seed_and_split():
    assert not np.array_equal(shapes().pixels, shapes(seed=1).pixels)
    assert not np.array_equal(shapes().pixels, shapes(split="test").pixels)


def test_moving_shapes_of_some_classes():
    every = shapes()
    kept = shapes(classes=["still", "fast"])
    assert kept.classes == ["fast", "still"]
    fast = every.pixels[every.labels == every.class_to_idx["fast"]]
    assert np.array_equal(kept.pixels[kept.labels == 0], fast)
    assert kept.source(0)["clip"] == int(np.flatnonzero(every.labels == every.class_to_idx["fast"])[0])
    with pytest.raises(SettingsError, match="no class flying"):
        shapes(classes=["flying"])


def test_holding_out_splits_every_class_and_is_repeatable():
    videos = open_videos("moving-shapes", frames=4, size=16, clips_per_class=10)
    rest, held = videos.hold_out(0.25)
    again = videos.hold_out(0.25)
    assert len(rest) + len(held) == 60
    assert rest.classes == held.classes == videos.classes
    assert (np.bincount(held.labels) >= 1).all()
    assert (np.bincount(rest.labels) >= 1).all()

    def origins(part):
        return [part.source(i)["clip"] for i in range(len(part))]

    assert sorted(origins(rest) + origins(held)) == list(range(60))
    assert [origins(part) for part in again] == [origins(rest), origins(held)]
    for part in (rest, held):
        for number, origin in enumerate(origins(part)):
            assert torch.equal(part.clip(number), videos.clip(origin))
            assert part.targets[number] == videos.targets[origin]
        assert np.array_equal(part.pixels[2:5, 0], np.stack([part.pixels[i, 0] for i in (2, 3, 4)]))
        assert part.pixels.shape == (len(part), 1, 4, 16, 16, 3)
        assert torch.equal(pickle.loads(pickle.dumps(part)).clip(3), part.clip(3))
    # The clips of a class do not depend on the other classes.
    few, _ = open_videos(
        "moving-shapes", frames=4, size=16, clips_per_class=10, classes=("still", "fast")
    ).hold_out(0.25)
    fast = [origin for origin, target in zip(origins(rest), rest.targets, strict=True) if target == 1]
    assert [o for o, t in zip(origins(few), few.targets, strict=True) if t == 0] == fast
    # They do not depend on the number of clips either.
    more = open_videos("moving-shapes", frames=4, size=16, clips_per_class=12)
    longer, _ = more.hold_out(0.25)
    first = [longer.source(i)["clip"] % 12 for i in range(len(longer)) if longer.targets[i] == 0]
    assert [n for n in first if n < 10] == [o for o in origins(rest) if o < 10]


def test_a_hold_out_that_leaves_no_clips_is_refused():
    videos = open_videos("moving-shapes", frames=4, size=16, clips_per_class=1)
    with pytest.raises(SettingsError, match="--hold-out"):
        videos.hold_out(0.5)
