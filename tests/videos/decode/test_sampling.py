import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.errors import SettingsError
from dfs_store.videos.decode.sampling import Sampling, centre_crop_offsets, frame_numbers, resized_shape

PAPER = Sampling()
KINETICS = Sampling(frames=8, stride=None, size=64, rule="middle", resize="direct")
SSV2 = Sampling(frames=8, stride=None, size=64, rule="even", resize="direct")


def numbers(sampling, length, *, fps=25.0, seed=0, split="train", file="a/b.avi", view=0):
    return frame_numbers(sampling, length, fps, seed=seed, split=split, file=file, view=view)


def test_a_long_video_is_sampled_at_interval_4():
    assert np.diff(numbers(PAPER, 300)).tolist() == [4] * 15


def test_a_video_shorter_than_64_frames_is_sampled_at_length_over_16():
    assert np.diff(numbers(PAPER, 63)).tolist() == [3] * 15
    assert np.diff(numbers(PAPER, 64)).tolist() == [4] * 15
    assert np.diff(numbers(PAPER, 31)).tolist() == [1] * 15


def test_a_video_shorter_than_16_frames_repeats_frames():
    picked = numbers(PAPER, 5)
    assert picked.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert numbers(PAPER, 1).tolist() == [0] * 16


def test_the_centre_clip_is_in_the_middle():
    picked = numbers(PAPER, 101, split="test", view=0)
    assert picked[0] + picked[-1] == 100


def test_every_start_can_be_drawn_and_none_is_beyond_the_end():
    starts = {int(numbers(PAPER, 70, file=f"{n}.avi")[0]) for n in range(400)}
    assert starts == set(range(70 - 60))


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, {"file": "a/c.avi"}, {"split": "test", "view": 1}, {"view": 2}]
)
def test_a_start_depends_on_seed_split_file_and_view(changed):
    assert numbers(PAPER, 100_000)[0] != numbers(PAPER, 100_000, **changed)[0]


def test_a_start_never_changes_between_releases():
    assert numbers(PAPER, 1000)[0] == 658


def test_kinetics_samples_four_seconds_around_the_middle_at_two_frames_per_second():
    picked = numbers(KINETICS, 300, fps=30.0)
    assert picked.tolist() == [90, 105, 120, 135, 150, 165, 180, 195]


@pytest.mark.parametrize(("seconds", "rate"), [(3.0, 4), (1.5, 8), (0.9, 12)])
def test_kinetics_samples_short_videos_faster(seconds, rate):
    picked = numbers(KINETICS, round(seconds * 48), fps=48.0)
    assert np.diff(picked).tolist() == [48 // rate] * 7


def test_kinetics_spans_the_same_time_with_twice_the_frames():
    twice = Sampling(frames=16, stride=None, size=64, rule="middle", resize="direct")
    assert numbers(twice, 300, fps=32.0)[::2].tolist() == numbers(KINETICS, 300, fps=32.0).tolist()


def test_ssv2_spreads_frames_over_the_whole_video():
    assert numbers(SSV2, 50).tolist() == [0, 7, 14, 21, 28, 35, 42, 49]
    assert numbers(SSV2, 53).tolist() == [1, 8, 15, 22, 29, 36, 43, 50]
    assert numbers(SSV2, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(2, 40),
    stride=st.integers(1, 9),
    length=st.integers(1, 2000),
    rule=st.sampled_from(["interval", "middle", "even"]),
    view=st.integers(0, 3),
    split=st.sampled_from(["train", "test"]),
    fps=st.floats(1, 120),
)
def test_frame_numbers_are_in_the_video_and_never_decrease(frames, stride, length, rule, view, split, fps):
    sampling = Sampling(frames=frames, stride=stride if rule == "interval" else None, rule=rule)
    picked = numbers(sampling, length, fps=fps, split=split, view=view)
    assert picked.shape == (frames,)
    assert picked.dtype == np.int64
    assert picked.min() >= 0
    assert picked.max() < length
    assert (np.diff(picked) >= 0).all()


def test_the_reference_size_is_160_by_120_cropped_to_112():
    assert resized_shape(PAPER, 320, 240) == (160, 120)
    assert centre_crop_offsets(160, 120, 112) == (24, 4)


def test_other_sizes_keep_the_field_of_view():
    assert resized_shape(Sampling(size=64), 320, 240) == (91, 69)
    assert resized_shape(Sampling(size=224), 320, 240) == (320, 240)


def test_folders_keep_the_aspect_ratio_and_agree_with_ucf_on_4_to_3():
    keep = Sampling(resize="keep-crop")
    assert resized_shape(keep, 320, 240) == (160, 120)
    assert resized_shape(keep, 240, 320) == (120, 160)
    assert resized_shape(keep, 1920, 1080) == (
        214,
        120,
    )  # 213.3, rounded so that both sides lose the same number of pixels


def test_kinetics_and_ssv2_stretch_the_frame():
    assert resized_shape(KINETICS, 1920, 1080) == (64, 64)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(8, 512),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    resize=st.sampled_from(["stretch-crop", "keep-crop", "direct"]),
)
def test_the_crop_always_fits(size, width, height, resize):
    scaled = resized_shape(Sampling(size=size, resize=resize), width, height)
    left, top = centre_crop_offsets(*scaled, size)
    assert left >= 0
    assert top >= 0
    assert left + size <= scaled[0]
    assert top + size <= scaled[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frames": 1}, "num_frames"),
        ({"size": 7}, "7"),
        ({"size": 5000}, "5000"),
        ({"stride": 0}, "stride"),
        ({"stride": None}, "stride"),
        ({"rule": "middle"}, "stride must be None for the rule 'middle'"),
        ({"rule": "odd"}, "'odd'"),
        ({"resize": "odd"}, "'odd'"),
    ],
)
def test_invalid_settings_are_refused(options, said):
    with pytest.raises(SettingsError, match=said):
        Sampling(**options)


def test_a_video_without_frames_is_refused():
    with pytest.raises(SettingsError, match="at least one frame"):
        numbers(PAPER, 0)


def test_only_test_clips_with_random_starts_have_several_views():
    assert PAPER.num_views("train", 15) == 1
    assert PAPER.num_views("test") == 1
    assert PAPER.num_views("test", 15) == 16
    assert KINETICS.num_views("test", 15) == 1
