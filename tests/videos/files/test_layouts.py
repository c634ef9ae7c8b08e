import json

import pytest

from dfs_store.errors import DatasetNotFoundError, EmptyClassError, SettingsError
from dfs_store.videos import find_clips
from dfs_store.videos.files.cliplist import check_classes, keep_classes
from dfs_store.videos.files.folders import read_folders
from dfs_store.videos.files.layouts import read_hmdb, read_kinetics, read_ssv2, read_ucf
from dfs_store.videos.files.reading import Reading


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def files_of(found):
    return [(clip.file, clip.class_name) for clip in found.clips]


@pytest.fixture
def ucf(tmp_path):
    touch(
        tmp_path, "UCF-101/JumpRope/v_JumpRope_g01_c01.avi", "UCF-101/JumpingJack/v_JumpingJack_g01_c01.avi"
    )
    touch(tmp_path, "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01.avi")
    lists = tmp_path / "ucfTrainTestlist"
    # The numbers are those of the original lists, in which JumpRope comes after JumpingJack.
    write(lists / "classInd.txt", "1 HandstandPushups\n2 JumpingJack\n3 JumpRope\n")
    write(
        lists / "trainlist01.txt",
        "JumpingJack/v_JumpingJack_g01_c01.avi 2\r\nJumpRope/v_JumpRope_g01_c01.avi 3\r\n"
        "HandstandPushups/v_HandstandPushups_g01_c01.avi 1\r\n\r\n",
    )
    write(lists / "trainlist02.txt", "JumpRope/v_JumpRope_g01_c01.avi 3\n")
    write(lists / "testlist01.txt", "JumpRope/v_JumpRope_g01_c01.avi\n")
    return tmp_path


def test_ucf_classes_are_sorted_by_name_whatever_the_lists_say(ucf):
    assert read_ucf(ucf, "train", Reading()).classes == ["HandstandPushups", "JumpRope", "JumpingJack"]


def test_ucf_names_may_differ_in_upper_and_lower_case(ucf):
    found = read_ucf(ucf, "train", Reading())
    assert files_of(found)[0] == (
        "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "HandstandPushups",
    )
    assert found.missing == []


def test_ucf_reads_the_chosen_official_split(ucf):
    assert len(read_ucf(ucf, "train", Reading(official_split=2)).clips) == 1
    with pytest.raises(DatasetNotFoundError, match=r"trainlist03\.txt"):
        read_ucf(ucf, "train", Reading(official_split=3))


def test_ucf_test_lists_have_no_numbers(ucf):
    assert files_of(read_ucf(ucf, "test", Reading())) == [
        ("UCF-101/JumpRope/v_JumpRope_g01_c01.avi", "JumpRope")
    ]


def test_files_of_a_list_that_do_not_exist_are_counted(ucf):
    with (ucf / "ucfTrainTestlist/trainlist01.txt").open("a") as file:
        file.write("JumpRope/v_JumpRope_g09_c01.avi 3\n")
    found = read_ucf(ucf, "train", Reading())
    assert found.missing == ["UCF-101/JumpRope/v_JumpRope_g09_c01.avi"]
    check_classes(found, "train")


def test_a_class_without_existing_files_is_rejected(ucf):
    (ucf / "UCF-101/JumpRope/v_JumpRope_g01_c01.avi").unlink()
    with pytest.raises(EmptyClassError, match=r"of class 'JumpRope' in .*missing: 1 listed file, first "):
        check_classes(read_ucf(ucf, "train", Reading()), "train")


def test_classes_without_a_folder_are_excluded(ucf):
    with (ucf / "ucfTrainTestlist/trainlist01.txt").open("a") as file:
        file.write("YoYo/v_YoYo_g01_c01.avi 101\n")
    found = read_ucf(ucf, "train", Reading())
    assert found.absent_classes == ["YoYo"]
    assert "YoYo" not in found.classes
    assert found.missing == []


def test_lists_without_any_videos_are_refused(ucf):
    (ucf / "UCF-101").rename(ucf / "elsewhere")
    with pytest.raises(
        DatasetNotFoundError,
        match=r"trainlist01.txt exists .3 files, first Jump.*contains 3 clips, first elsewhere/",
    ):
        read_ucf(ucf, "train", Reading())


@pytest.fixture
def hmdb(tmp_path):
    for name in ("wave", "brush_hair"):
        touch(tmp_path, *(f"{name}/{part}.avi" for part in ("unused", "train", "test")))
        write(
            tmp_path / f"testTrainMulti_7030_splits/{name}_test_split1.txt",
            "unused.avi 0 \ntrain.avi 1 \ntest.avi 2 \n",
        )
    return tmp_path


def test_hmdb_trains_on_the_official_and_the_unused_clips(hmdb):
    assert files_of(read_hmdb(hmdb, "train", Reading())) == [
        ("brush_hair/unused.avi", "brush_hair"),
        ("brush_hair/train.avi", "brush_hair"),
        ("wave/unused.avi", "wave"),
        ("wave/train.avi", "wave"),
    ]


def test_hmdb_tests_on_the_official_clips(hmdb):
    assert files_of(read_hmdb(hmdb, "test", Reading())) == [
        ("brush_hair/test.avi", "brush_hair"),
        ("wave/test.avi", "wave"),
    ]


def test_hmdb_without_its_split_files_is_refused(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="split files"):
        read_hmdb(touch(tmp_path, "wave/a.avi"), "train", Reading())


def test_kinetics_in_class_folders(tmp_path):
    touch(tmp_path, "train/yoga/b.mp4", "train/abseiling/a.mp4", "val/yoga/c.mp4")
    assert files_of(read_kinetics(tmp_path, "train", Reading())) == [
        ("train/abseiling/a.mp4", "abseiling"),
        ("train/yoga/b.mp4", "yoga"),
    ]
    assert files_of(read_kinetics(tmp_path, "test", Reading())) == [("val/yoga/c.mp4", "yoga")]


def test_kinetics_flat_with_its_tables(tmp_path):
    touch(tmp_path, "train/abc_000010_000020.mp4", "train/-x_000001_000011.mp4")
    write(
        tmp_path / "train.csv",
        "label,youtube_id,time_start,time_end,split\nyoga,abc,10,20,train\n"
        '"tai chi",-x,1,11,train\nyoga,gone,5,15,train\n',
    )
    found = read_kinetics(tmp_path, "train", Reading())
    assert files_of(found) == [
        ("train/-x_000001_000011.mp4", "tai chi"),
        ("train/abc_000010_000020.mp4", "yoga"),
    ]
    assert found.missing == ["train/gone_000005_000015.mp4"]


def test_kinetics_flat_without_its_tables_is_refused(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"train\.csv"):
        read_kinetics(touch(tmp_path, "train/a.mp4"), "train", Reading())


@pytest.mark.parametrize("name", ["something-something-v2-train.json", "labels/train.json"])
def test_ssv2(tmp_path, name):
    touch(tmp_path, "20bn-something-something-v2/7.webm", "20bn-something-something-v2/12.webm")
    entries = [
        {"id": "12", "label": "putting a cup", "template": "Putting [something], upright"},
        {"id": "7", "label": "holding a pen", "template": "Holding [something]"},
    ]
    write(tmp_path / name, json.dumps(entries))
    found = read_ssv2(tmp_path, "train", Reading())
    assert found.classes == ["Holding something", "Putting something, upright"]
    assert files_of(found)[0] == ("20bn-something-something-v2/7.webm", "Holding something")


def test_a_folder_of_class_folders_is_all_training(tmp_path):
    touch(
        tmp_path,
        "b/2.mp4",
        "b/deeper/1.MKV",
        "a/x.avi",
        "a/notes.txt",
        "a/.hidden.avi",
        ".git/c.avi",
        "top.avi",
    )
    found = read_folders(tmp_path, "train", Reading())
    assert files_of(found) == [("a/x.avi", "a"), ("b/2.mp4", "b"), ("b/deeper/1.MKV", "b")]
    with pytest.raises(DatasetNotFoundError, match=r"test/<class>/"):
        read_folders(tmp_path, "test", Reading())


@pytest.mark.parametrize("test_name", ["test", "val", "validation"])
def test_a_folder_with_train_and_test(tmp_path, test_name):
    touch(tmp_path, "train/a/1.avi", "train/b/2.avi", f"{test_name}/a/3.avi", f"{test_name}/b/4.avi")
    assert files_of(read_folders(tmp_path, "train", Reading())) == [
        ("train/a/1.avi", "a"),
        ("train/b/2.avi", "b"),
    ]
    assert [file for file, _ in files_of(read_folders(tmp_path, "test", Reading()))] == [
        f"{test_name}/a/3.avi",
        f"{test_name}/b/4.avi",
    ]


def test_both_splits_have_the_same_labels(tmp_path):
    touch(tmp_path, "train/a/1.avi", "train/b/2.avi", "train/c/3.avi", "test/b/4.avi")
    found = find_clips(tmp_path, split="test")
    assert found.classes == ["a", "b", "c"]
    assert "2 of 3 classes have no test clips and will not be tested: a, c" in found.remarks
    touch(tmp_path, "test/d/5.avi")
    with pytest.raises(SettingsError, match="classes without training clips: d"):
        find_clips(tmp_path, split="test")


def test_a_folder_with_only_train_has_no_test_split(tmp_path):
    touch(tmp_path, "train/a/1.avi")
    with pytest.raises(DatasetNotFoundError, match="no split 'test'"):
        read_folders(tmp_path, "test", Reading())


def test_an_empty_class_folder_is_refused(tmp_path):
    touch(tmp_path, "a/1.avi")
    (tmp_path / "b").mkdir()
    with pytest.raises(EmptyClassError, match=r"of class 'b' in .*1 of 2 classes"):
        check_classes(read_folders(tmp_path, "train", Reading()), "train")


def test_a_folder_without_class_folders_is_refused(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="class folders"):
        read_folders(touch(tmp_path, "1.avi"), "train", Reading())


def test_classes_can_be_chosen(ucf):
    found = keep_classes(read_ucf(ucf, "train", Reading()), ["JumpRope"])
    assert found.classes == ["JumpRope"]
    assert len(found.clips) == 1
    with pytest.raises(SettingsError, match="unknown class: Jumping; the 3 classes are"):
        keep_classes(read_ucf(ucf, "train", Reading()), ["Jumping"])
    with pytest.raises(SettingsError, match="at least one"):
        keep_classes(read_ucf(ucf, "train", Reading()), [])


def official(root):
    """UCF101, Kinetics and SSv2 with a clip in each split. The test chooses the suffix."""
    write(root / "ucf/ucfTrainTestlist/trainlist01.txt", "\ufeffArchery/v_Archery_g08_c01.avi 1\n")
    write(root / "ssv2/labels/train.json", '\ufeff[{"id": "1", "template": "Holding [something]"}]')
    table = '\ufeff"label","youtube_id","time_start","time_end","split"\r\nyoga,abc,12.0,22.00,x\r\n,,,,\r\n'
    write(root / "kinetics/train.csv", table)
    return {
        "ucf": (read_ucf, root / "ucf", "UCF-101/Archery/v_Archery_g08_c01"),
        "ssv2": (read_ssv2, root / "ssv2", "20bn-something-something-v2/1"),
        "kinetics": (read_kinetics, root / "kinetics", "train/abc_000012_000022"),
    }


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".MKV", "/img_00001.jpg", "/rgb/00001.png"])
@pytest.mark.parametrize("name", ["ucf", "ssv2", "kinetics"])
def test_listed_videos_have_any_suffix_or_are_frame_folders(tmp_path, name, suffix):
    read, root, stem = official(tmp_path)[name]
    touch(root, stem + suffix)
    if suffix.startswith("/"):
        touch(root, f"{stem}/n_frames")
    found = read(root, "train", Reading())
    assert [clip.file for clip in found.clips] == [
        stem + suffix.rpartition("/")[0] if "/" in suffix else stem + suffix
    ]
    assert found.missing == []


def test_a_list_without_existing_videos_shows_an_example(tmp_path):
    read, root, _ = official(tmp_path)["ucf"]
    touch(root, "UCF-101/Archery/other.mp4")
    with pytest.raises(
        DatasetNotFoundError,
        match=r"no file listed in trainlist01\.txt exists \(1 file, first .*g08.*other\.mp4",
    ):
        read(root, "train", Reading())


def test_kinetics_replacements_are_found(tmp_path):
    read, root, _ = official(tmp_path)["kinetics"]
    touch(root, "train/other.mp4", "replacement/for_corrupted_k400/abc_000012_000022.mp4")
    found = read(root, "train", Reading())
    assert files_of(found) == [("replacement/for_corrupted_k400/abc_000012_000022.mp4", "yoga")]
    assert found.remarks == []


def test_archive_folders_of_kinetics_are_not_classes(tmp_path):
    read, root, _ = official(tmp_path)["kinetics"]
    touch(root, "train/part_0/abc_000012_000022.mp4", "train/part_1/other.mp4")
    found = read(root, "train", Reading())
    assert files_of(found) == [("train/part_0/abc_000012_000022.mp4", "yoga")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "youtube_id,time_start,time_end\nabc,1,2\n",
            "but lacks label; its first line is youtube_id, time_start",
        ),
        ("train/abc.mp4 0\n", "use it as the dataset"),
        ("label,youtube_id,time_start,time_end\nyoga,abc,one,2\n", r"train\.csv, line 2: time_start.*'one'"),
        ("label,youtube_id,time_start,time_end\n,abc,1,2\n", "line 2: the column label is empty"),
        ("label,youtube_id,time_start,time_end\na,b,1,2,3,4\n", "line 2: got 6 values for the 4 columns"),
    ],
)
def test_an_invalid_kinetics_table_is_named(tmp_path, text, said):
    write(tmp_path / "train.csv", text if text.startswith("label") else text + text)
    with pytest.raises(DatasetNotFoundError, match=said):
        read_kinetics(touch(tmp_path, "train/abc.mp4"), "train", Reading())


@pytest.mark.parametrize("junk", ["__MACOSX", "@eaDir", ".ipynb_checkpoints", "lost+found", "$RECYCLE.BIN"])
def test_folders_of_the_system_do_not_hide_the_tables_of_kinetics(tmp_path, junk):
    read, root, stem = official(tmp_path)["kinetics"]
    touch(root, f"{stem}.mp4", f"train/{junk}/x.jpg")
    assert len(read(root, "train", Reading()).clips) == 1


def test_the_test_split_numbers_classes_as_the_training_split(ucf):
    touch(ucf, "UCF-101/YoYo/v_YoYo_g01_c01.avi")
    with (ucf / "ucfTrainTestlist/trainlist01.txt").open("a") as file:
        file.write("YoYo/v_YoYo_g01_c01.avi 101\n")
    training, test = find_clips("ucf101", ucf), find_clips("ucf101", ucf, "test")
    assert test.classes == training.classes == ["HandstandPushups", "JumpRope", "JumpingJack", "YoYo"]
