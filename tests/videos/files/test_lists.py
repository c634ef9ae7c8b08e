"""Lists of videos as datasets, in all common formats."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.errors import DatasetNotFoundError, DFSError, EmptyClassError, SettingsError
from dfs_store.videos import find_clips
from dfs_store.videos.files.lists import read_rows

NAMES = ("a/1.mp4", "a/2.mp4", "b/3 of 9, x.avi", "b/4.webm")


@pytest.fixture
def videos(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def listed(folder, text, name="list.txt", **how):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_clips(folder / name, **how)


def content(found):
    return [(clip.file, clip.class_name) for clip in found.clips]


EXPECTED = [("a/1.mp4", "run"), ("b/3 of 9, x.avi", "run"), ("a/2.mp4", "walk"), ("b/4.webm", "walk")]
LABELS = dict(EXPECTED)


def lines(separator, end="\n"):
    return "".join(f"{name}{separator}{LABELS[name]}{end}" for name in NAMES)


@pytest.mark.parametrize(
    "text",
    [
        lines(" "),
        lines("\t"),
        lines(","),
        lines(";"),
        lines(" ", "\r\n"),
        lines(" ", "\r"),
        "\n# made by hand\n\n" + lines(" ") + "\n  \n",
        "\ufeff" + lines(" "),
        lines(" ").encode("utf-16"),
        lines("\t").encode("utf-32"),
        "".join(f'"{name}","{LABELS[name]}"\n' for name in NAMES),
        "".join(f'"{name}" {LABELS[name]}\n' for name in NAMES),
        "".join(f"./{name} {LABELS[name]}\n" for name in NAMES),
        "".join(f"/{name} {LABELS[name]}\n" for name in NAMES),
        "".join(f"{name} {LABELS[name]}\n".replace("/", "\\") for name in NAMES),
        "".join(f"{name.upper()} {LABELS[name]}\n".replace("A/", "a/").replace("B/", "b/") for name in NAMES),
        "".join(f"{name.rpartition('.')[0]}.avi {LABELS[name]}\n" for name in NAMES),
        "path label\n" + lines(" "),
        "path,label,more\n" + "".join(f'"{name}",{LABELS[name]},7\n' for name in NAMES) + ",,\n",
        "id;Class Name;File-Name\n" + "".join(f"1;{LABELS[name]};{name}\n" for name in NAMES),
    ],
)
def test_a_list_is_read_in_any_format(videos, text):
    assert content(listed(videos, text)) == EXPECTED


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_lists_as_json(videos, suffix):
    rows = [{"file_name": name, "label": LABELS[name]} for name in NAMES]
    text = json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows))
    assert content(listed(videos, text, f"metadata{suffix}")) == EXPECTED


def test_paths_are_relative_to_the_root_or_absolute(videos, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    assert content(listed(elsewhere, lines(" "), root=videos)) == EXPECTED
    absolute = "".join(f"{videos / name} {LABELS[name]}\n" for name in NAMES)
    assert content(listed(videos, absolute)) == EXPECTED
    assert content(listed(elsewhere, absolute)) == [(str(videos / file), label) for file, label in EXPECTED]
    with pytest.raises(
        DatasetNotFoundError, match=r"no file listed in list\.txt exists \(4 files, first a/1.mp4"
    ):
        listed(elsewhere, lines(" "))


def test_frame_folders_with_their_number_of_frames(videos):
    for clip in ("f/v 1", "f/v 2"):
        (videos / clip).mkdir(parents=True)
        (videos / clip / "img_00001.jpg").touch()
    assert content(listed(videos, "f/v 1 163 0\nf/v 2 12 1\n")) == [("f/v 1", "0"), ("f/v 2", "1")]


def test_parts_of_videos_are_reported(videos):
    header = "path start end label\n"
    found = listed(videos, f"{header}a/1.mp4 0 5 run\nb/4.webm 1 3 walk\n")
    assert found.remarks == [
        "ignoring the start and end times in list.txt (such as start 0, end 5), because a clip is a whole "
        "video"
    ]
    for label in ("run", "walk"):
        with pytest.raises(
            DatasetNotFoundError, match=r"line 3: a/1.mp4 is listed with start 5, end 9 here and"
        ):
            listed(videos, f"{header}a/1.mp4 0 5 run\na/1.mp4 5 9 {label}\n")
    (videos / "f").mkdir()
    (videos / "f" / "1.jpg").touch()
    with pytest.raises(
        DatasetNotFoundError, match=r"no file listed in list\.txt exists \(1 file, first f 0 5"
    ):
        listed(videos, "f 0 5 run\n")  # offset, number of frames, label


def test_missing_files_are_named(videos):
    with pytest.raises(EmptyClassError, match=r"missing: 1 listed file, first a/1%20x\.mp4"):
        listed(videos, "a/1%20x.mp4 run\nb/4.webm walk\n")
    with pytest.raises(DatasetNotFoundError, match="nowhere does not exist"):
        listed(videos, "a/1.mp4 run\nb/4.webm walk\n", root=videos / "nowhere")


def test_numbers_are_sorted_numerically_and_may_have_names(videos):
    text = "a/1.mp4 10\na/2.mp4 2\nb/4.webm 2\n"
    assert listed(videos, text).classes == ["2", "10"]
    assert listed(videos, text.replace("10", "10.0")).classes == ["2", "10"]
    names = [f"class {number}" for number in range(11)]
    assert listed(videos, text + "b/3 of 9, x.avi 0\n", class_names=names).classes == [
        "class 0",
        "class 2",
        "class 10",
    ]
    ones = listed(videos, text.replace("10", "3") + "b/3 of 9, x.avi 1\n", class_names=["x", "a", "c"])
    assert dict(content(ones)) == {"a/1.mp4": "c", "a/2.mp4": "a", "b/4.webm": "a", "b/3 of 9, x.avi": "x"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "walk\nrun\n"),
        ("names.txt", "\ufeff1 walk\r\n2 run\r\n"),
        ("names.csv", "id,name\n1,walk\n2,run\n"),
        ("names.txt", "walk 1\nrun 2\n"),
        ("names.json", '["walk", "run"]'),
        ("names.json", '{"\\"walk\\"": 1, "run": "2"}'),
        ("names.json", '{"1": "walk", "2": "run"}'),
    ],
)
def test_files_of_class_names(videos, name, text):
    (videos / name).write_text(text)
    found = listed(videos, "a/1.mp4 1\na/2.mp4 2\n", class_names=videos / name)
    assert content(found) == [("a/1.mp4", "walk"), ("a/2.mp4", "run")]


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        ("a/1.mp4 1\na/2.mp4 2\n", ["a", "b", "c"], "unclear whether the labels start at 0 or at 1"),
        ("a/1.mp4 0\na/2.mp4 3\n", ["a", "b", "c"], "labels without a class name: 3"),
        ("a/1.mp4 run\na/2.mp4 walk\n", ["a", "b"], "label 'run', but --class-names"),
        ("a/1.mp4 0\na/2.mp4 1\n", ["a", "a"], "the class name 'a' twice"),
        ("a/1.mp4 0\na/2.mp4 1\n", "nowhere.txt", "class names .*nowhere.txt does not exist"),
    ],
)
def test_names_that_do_not_fit_are_refused(videos, text, names, said):
    with pytest.raises(DFSError, match=said):
        listed(videos, text, class_names=names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a/1.mp4\na/2.mp4\n", r"list\.txt, line 1: expected `path label`, .*, got 'a/1.mp4'"),
        ("a/1.mp4 run\n\na/2.mp4\n", "line 3: expected `path label`, .*, got 'a/2.mp4'"),
        ("path,url\na/1.mp4,x\n", "must have a column for the path .*, got the columns path, url"),
        ("path,label\na/1.mp4,\n", "line 2: the column label is empty"),
        ("path,label\na/1.mp4,run,x\n", "line 2: got 3 values for the 2 columns"),
        ("path,label,split\na/1.mp4,run,first\n", "line 2: the column split must contain train, val or test"),
        ("path,label\n", "no clips"),
        ("a/1.mp4 0 1\na/2.mp4 0 1\n", r"no file listed in list\.txt exists \(2 files"),  # several labels
        (
            "a/1.mp4 run\na/2.mp4 walk\na/1.mp4 walk\n",
            r"line 3: a/1.mp4 has the label 'walk' here and 'run' in line 1",
        ),
        ("a/1.mp4 -1\na/2.mp4 0\n", "non-negative numbers, got -1"),
        ("a/1.mp4 1.5\na/2.mp4 0\n", "labels must be whole numbers or words, got 1.5"),
        (
            "path,label,is_train\na/1.mp4,run,1\n",
            "the column is_train must contain train, val or test, got '1'",
        ),
        (b"a\x00/\x001\x00.\x00m\x00p\x004\x00 \x000\x00", "null bytes.*UTF-16"),
    ],
)
def test_invalid_lists_are_rejected_with_file_and_line(videos, text, said):
    with pytest.raises(DatasetNotFoundError, match=said):
        listed(videos, text)


def test_latin_1_names(tmp_path):
    (tmp_path / "café.mp4").touch()
    (tmp_path / "tea.mp4").touch()
    found = listed(tmp_path, "café.mp4 drink\ntea.mp4 brew\n".encode("latin-1"))
    assert content(found) == [("tea.mp4", "brew"), ("café.mp4", "drink")]


def test_a_split_column_gives_both_splits(videos):
    rows = zip(NAMES, ("Train", "test", "train", "valid"), strict=True)
    text = "path,label,split\n" + "".join(f'"{name}",{LABELS[name]},{part}\n' for name, part in rows)
    text += "a/5.mp4,walk,train\n"
    (videos / "a/5.mp4").touch()
    assert content(listed(videos, text)) == [*EXPECTED[:2], ("a/5.mp4", "walk")]
    test = listed(videos, text, split="test")
    assert content(test) == [("a/2.mp4", "walk")]
    assert test.classes == ["run", "walk"]
    assert "ignoring 1 validation row, because the list has test rows" in test.remarks
    assert content(listed(videos, text.replace("test", "train"), split="test")) == [("b/4.webm", "walk")]


def test_a_test_list(videos):
    (videos / "test.txt").write_text("b/4.webm walk\na/1.mp4 run\n")
    training = "a/1.mp4 run\na/2.mp4 walk\nb/3 of 9, x.avi zoo\n"
    test = listed(videos, training, split="test", test_list=videos / "test.txt")
    assert test.classes == ["run", "walk", "zoo"]
    assert content(test) == [("a/1.mp4", "run"), ("b/4.webm", "walk")]
    assert any("1 clip listed for both training and testing, first a/1.mp4" in each for each in test.remarks)
    with pytest.raises(
        DatasetNotFoundError, match=r"only training clips; pass the test clips with --test-list"
    ):
        listed(videos, training, split="test")
    (videos / "test.txt").write_text("b/4.webm sit\n")
    with pytest.raises(SettingsError, match="classes without training clips: sit"):
        listed(videos, training, split="test", test_list=videos / "test.txt")


def test_repeated_and_missing_rows_are_counted(videos):
    found = listed(videos, lines(" ") + "a/1.mp4 run\na/gone.mp4 run\n")
    assert content(found) == EXPECTED
    assert found.missing == ["a/gone.mp4"]
    assert "skipped 1 repeated row in list.txt" in found.remarks


LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
TEXTS = (
    st.text(LETTERS, min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda text: text and text[0] not in "#\ufeff")
)
PATHS = TEXTS.map(lambda text: f"{text}.mp4")


@settings(max_examples=150, deadline=None)
@given(
    table=st.dictionaries(PATHS, TEXTS, min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_table_can_be_read_back(tmp_path_factory, table, delimiter, header, encoding, end, quoting):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["path", "label"]] * header + [list(row) for row in table.items()])
    try:
        data = text.getvalue().encode(encoding)
    except UnicodeEncodeError:
        return
    if encoding == "cp1252" and any(line.isascii() is False and _is_utf8(line) for line in data.splitlines()):
        return  # bytes that are also valid UTF-8 are read as UTF-8
    file = tmp_path_factory.mktemp("list") / "list.csv"
    file.write_bytes(data)
    rows = read_rows(file, set(table).__contains__)
    assert {row.path: row.label for row in rows} == table


def _is_utf8(line):
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
