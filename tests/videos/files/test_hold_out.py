"""Whole groups are held out, the choice is stable, and each side has at least one group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfs_store import open_videos
from dfs_store.errors import SettingsError
from dfs_store.videos.files.hold_out import group_of_file, held_out_groups
from tests.videos.making import DATA, make_video, needs_data

GROUPS = st.sets(st.text(max_size=8), min_size=2, max_size=30)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)


@pytest.mark.parametrize(
    ("layout", "class_name", "file", "group"),
    [
        ("ucf", "Archery", "UCF-101/Archery/v_Archery_g08_c02.avi", "g08"),
        ("ucf", "HandstandPushups", "UCF-101/HandstandPushups/v_HandStandPushups_g25_c07.avi", "g25"),
        (
            "hmdb",
            "brush_hair",
            "brush_hair/Prelinger_ABeginningbyTaxi1938_brush_hair_h_cm_np1_le_goo_2.avi",
            "Prelinger_ABeginningbyTaxi1938",
        ),
        (
            "hmdb",
            "wave",
            "wave/20060723sfjffbartsinger_wave_f_cm_np1_ba_med_0.avi",
            "20060723sfjffbartsinger",
        ),
        ("hmdb", "wave", "wave/odd.avi", "wave/odd.avi"),
        ("folders", "Archery", "train/Archery/v_Archery_g08_c02.avi", "train/Archery/v_Archery_g08_c02.avi"),
        ("kinetics", "archery", "train/archery/x_000001_000011.mp4", "train/archery/x_000001_000011.mp4"),
    ],
)
def test_groups_are_read_from_the_names_of_files(layout, class_name, file, group):
    assert group_of_file(layout, class_name, file) == group


@given(GROUPS, SHARES)
def test_some_but_not_all_groups_are_held_out(groups, share):
    held = held_out_groups("a", groups, share)
    assert held
    assert held < groups


@given(GROUPS, st.text(max_size=8), SHARES)
def test_adding_a_group_changes_nothing_for_the_others(groups, other, share):
    more = groups | {other}
    before, after = held_out_groups("a", groups, share), held_out_groups("a", more, share)
    # Only a group that was kept or held out so that neither side is empty may change sides.
    assert len((before ^ after) - {other}) <= 1


def test_the_choice_never_changes_between_releases_and_depends_on_the_class():
    groups = [f"g{number:02}" for number in range(8, 26)]
    assert sorted(held_out_groups("Archery", groups, 0.2)) == ["g19", "g22"]
    assert held_out_groups("Archery", groups, 0.2) <= held_out_groups("Archery", groups, 0.5)
    assert held_out_groups("Archery", groups, 0.5) != held_out_groups("Biking", groups, 0.5)


def test_the_share_is_approximately_met():
    groups = [str(number) for number in range(2000)]
    assert 400 <= len(held_out_groups("a", groups, 0.25)) <= 600


def test_a_class_with_a_single_group_is_refused():
    with pytest.raises(SettingsError, match=r"--hold-out 0\.2 needs at least two groups .* 'a' has 1"):
        held_out_groups("a", ["g01", "g01"], 0.2)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(SettingsError, match="share between 0 and 1"):
        held_out_groups("a", ["x", "y"], share)


def make_ucf(root, groups, clips=2):
    names = [f"v_Archery_g{group:02}_c{clip:02}.avi" for group in groups for clip in range(1, clips + 1)]
    for name in names:
        make_video(root / "UCF-101/Archery" / name)
    lists = root / "ucfTrainTestlist"
    lists.mkdir(exist_ok=True)
    (lists / "trainlist01.txt").write_text("".join(f"Archery/{name} 1\n" for name in names))
    return root


def files_of(videos):
    return {videos.source(number)["file"] for number in range(len(videos))}


def test_clips_of_one_group_stay_together(tmp_path):
    options = {"frames": 4, "stride": 2, "size": 16, "cache_dir": tmp_path / "cache"}
    root = make_ucf(tmp_path / "ucf", groups=range(1, 7))
    rest, held = open_videos("ucf101", root, **options).hold_out(0.4)
    sides = [{group_of_file("ucf", "Archery", file) for file in files_of(part)} for part in (rest, held)]
    assert not sides[0] & sides[1]
    assert len(held) == 2 * len(sides[1]) > 0
    assert (rest.held_out, held.held_out, held.official_split) == (None, 0.4, 1)
    # A missing file does not move any other file to the other side.
    gone = sorted(files_of(rest))[0]
    (root / gone).unlink()
    fewer, same = open_videos("ucf101", root, **options).hold_out(0.4)
    assert files_of(same) == files_of(held)
    assert files_of(fewer) == files_of(rest) - {gone}


@needs_data
def test_every_class_of_real_clips_has_groups_on_both_sides():
    from dfs_store.videos import find_clips

    found = find_clips("ucf101", DATA / "ucf101-10")
    groups = {name: set() for name in found.classes}
    for clip in found.clips:
        group = group_of_file("ucf", clip.class_name, clip.file)
        assert group.startswith("g")
        groups[clip.class_name].add(group)
    for name, each in groups.items():
        assert 0 < len(held_out_groups(name, each, 0.2)) < len(each)
