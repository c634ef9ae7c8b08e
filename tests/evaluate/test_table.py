"""Tables of results: their numbers, their order, and the files that are rejected."""

import csv
import io
import json

import pytest

from dfs_store.errors import NotAStoreError, OutputNotWritableError, SettingsError, StoreNotFoundError
from dfs_store.evaluate.published import metric_of, published
from dfs_store.evaluate.table import read_results
from dfs_store.evaluate.table_plot import plot
from dfs_store.evaluate.table_text import to_csv, to_latex, to_markdown, to_text

MIB = 2**20


def result(method="dfs", vpc=1, dataset="miniucf", mean=17.0, on=None, **changes):
    storage = {
        "key_frame_bytes": 5 * MIB - 100, "index_bytes": 100, "float32_bytes": 20 * MIB,
        "dense_bytes": 100 * MIB, "on_disk_bytes": 6 * MIB, "native_bytes": None, "num_key_frames": 7,
        "dense_uint8_bytes": 25 * MIB, "method_bytes": 5 * MIB - 100, "source_bytes": None,
    }  # fmt: skip
    score = {"mean": mean, "std": 0.5, "runs": [mean - 1, mean, mean + 1]}
    short = dataset == "ssv2"
    test = {
        "dataset": dataset, "split": None if short else 1, "split_declared": False, "hold_out": None,
        "frames": 8 if short else 16, "stride": None if short else 4, "size": 64 if short else 112,
        "num_clips": {"hmdb51": 1530, "ssv2": 24_777}.get(dataset, 1861),
    }  # fmt: skip
    return {
        "schema": "dfs.evaluate/1", "store": "x.zarr", "test": {**test, **(on or {})}, "method": method,
        "vpc": vpc, "dtype": "float32", "model": "convnet3d", "protocol": "paper", "recipe": "paper",
        "labels": "hard", "epochs": 500, "passes": 501, "runs": 3, "lr": 0.01, "batch_size": 256,
        "chance": 2.4, "elapsed_seconds": 7.5,
        "num_classes": {"miniucf": 50, "hmdb51": 51, "ssv2": 174}.get(dataset, 10),
        "top1": score, "top5": {**score, "mean": 50.0}, "storage": storage,
        "dataset_bytes": 600 * MIB, **changes,
    }  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(*results):
        files = []
        for number, content in enumerate(results):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(json.dumps(content))
        return files

    return write


def test_a_row_has_the_accuracy_and_size_of_a_store(written):
    (row,) = read_results(written(result()))
    assert (row.mean, row.std, row.metric) == (17.0, 0.5, "top1")
    assert (row.paper, row.paper_spread, row.paper_mebibytes) == (17.9, 0.3, 20)
    assert (row.mebibytes, row.stored_mebibytes, row.on_disk_mebibytes) == (20, 5, 6)
    assert (row.percent_of_dense, row.percent_of_dataset) == (5, 1)


def test_top_5_is_used_for_datasets_for_which_the_paper_reports_it(written):
    (row,) = read_results(written(result(dataset="ssv2", vpc=5)))
    assert (row.metric, row.mean, row.paper) == ("top5", 50.0, 4.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "r3d_18"},
        {"on": {"num_clips": 1700}},
        {"settings": {"insertion": False, "warmup": 0.0}},
        {"top1": {"mean": 17.0, "std": 0.5, "runs": [16.5, 17.5]}},
        {"protocol": "strict"},
        {"recipe": "modern"},
        {"labels": "soft"},
        {"lr": 0.005},
        {"batch_size": 128},
        {"on": {"hold_out": 0.2}},
        {"on": {"split": 2}},
        {"on": {"frames": 8}},
        {"on": {"stride": 2}},
        {"on": {"size": 64}},
        {"dataset": "ucf101"},
        {"vpc": 2},
        {"epochs": 100},
        {"epochs": 1000},
        {"on": {"num_clips": 1860}},
        {"num_classes": 2},
    ],
)
def test_the_papers_result_is_shown_only_for_comparable_evaluations(written, changes):
    (row,) = read_results(written(result(**changes)))
    assert row.paper is None


def test_rows_are_sorted_by_dataset_vpc_and_the_papers_order(written):
    whole = result("whole", None, storage=None, dtype=None, dataset_bytes=None)
    given = [whole, result("pack"), result("dfs", 5), result("dfs"), result("random", 5), result("random")]
    rows = read_results(written(*given, result(dataset="hmdb51")))
    assert [(r.dataset, r.method, r.vpc) for r in rows] == [
        ("hmdb51", "dfs", 1),
        ("miniucf", "random", 1), ("miniucf", "dfs", 1), ("miniucf", "pack", 1),
        ("miniucf", "random", 5), ("miniucf", "dfs", 5),
        ("miniucf", "whole", None),
    ]  # fmt: skip
    assert rows[-1].paper == 57.8
    assert rows[-1].stored_mebibytes is None


def test_text_and_markdown_have_the_same_cells_and_one_title_per_kind(written):
    rows = read_results(
        written(result(), result("random"), result(epochs=100), result("pack", dtype="uint8"))
    )
    for text in (to_text(rows), to_markdown(rows)):
        title = (
            "miniucf (50 classes, split 1, chance 2.4 %), 1,861 clips of 16x112x112 at stride 4, convnet3d, "
            "protocol paper, 3 runs of 500 epochs, top-1"
        )
        assert text.count(title) == 1
        assert text.count("3 runs of 100 epochs") == 1
        assert "17.0 ± 0.5" in text
        assert "pack (uint8)" in text
    lines = to_markdown(rows).splitlines()
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|") > 8


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ({"hold_out": 0.2}, "on training clips held out (0.2)"),
        ({"split": 2, "split_declared": True}, "split 2 (declared)"),
        ({"size": 64}, "16x64x64 at stride 4"),
    ],
)
def test_results_on_different_test_clips_are_in_different_tables(written, on, said):
    text = to_text(read_results(written(result(), result(on=on))))
    assert text.count("protocol paper") == 2
    assert text.count(said) == 1


def test_a_single_run_has_no_spread(written):
    text = to_text(read_results(written(result(runs=1, dataset="ucf101"))))
    assert "17.0" in text
    assert "±" not in text


def test_the_papers_spread_is_shown_next_to_its_mean(written):
    text = to_text(read_results(written(result())))
    assert "17.9 ± 0.3" in text


def test_hard_label_scores_stay_comparable_if_soft_labels_were_trained_on_as_well(written):
    soft = {name: {"mean": 60.0, "std": 0.1, "runs": [60.0] * 3} for name in ("top1", "top5")}
    hard_row, soft_row = read_results(written(result(labels="both", soft=soft)))
    assert (hard_row.labels, hard_row.mean, hard_row.paper) == ("hard", 17.0, 17.9)
    assert (soft_row.labels, soft_row.mean, soft_row.paper) == ("soft", 60.0, None)
    assert [row.label for row in (hard_row, soft_row)] == ["dfs", "dfs (soft labels)"]
    assert to_text([hard_row, soft_row]).count("miniucf (50") == 1  # side by side


def test_csv_contains_every_field_in_full_precision(written):
    rows = read_results(written(result(mean=17.123456789)))
    (read,) = csv.DictReader(io.StringIO(to_csv(rows)))
    assert float(read["mean"]) == 17.123456789
    assert read["percent_of_dataset"] == "1.0"
    assert read["method"] == "dfs"


def test_cells_are_escaped_in_every_format(written):
    rows = read_results(written(result("own|me_thod:=a&b", dataset="=cmd", dtype=None)))
    (line,) = [line for line in to_markdown(rows).splitlines() if line.startswith("| own")]
    assert line.startswith(r"| own\|me\_thod:=a&b |")
    latex = to_latex(rows)
    assert r"own\textbar{}me\_thod:=a\&b & 1 &" in latex
    assert r"17.0 $\pm$ 0.5" in latex
    assert r"accuracy \%" in latex
    assert all(rule in latex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    (read,) = csv.DictReader(io.StringIO(to_csv(rows)))
    assert read["dataset"] == "'=cmd"


def test_other_files_in_a_folder_of_results_are_ignored(written, tmp_path):
    written(result(), result("random"))
    (tmp_path / "other.json").write_text('{"schema": "dfs.inspect/1"}')
    (tmp_path / "nonsense.json").write_text("{")
    assert len(read_results([tmp_path])) == 2


def test_files_that_are_not_results_are_rejected_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "b.json").write_text('{"schema": "dfs.evaluate/1"}')
    (tmp_path / "c.json").write_text(json.dumps(result(top1=None)))
    for path, kind, said in (
        ("empty", SettingsError, "no results"),
        ("a.json", NotAStoreError, "is not a result"),
        ("b.json", NotAStoreError, "b.json is an incomplete or malformed result"),
        ("c.json", NotAStoreError, "c.json is an incomplete or malformed result"),
        ("none.json", StoreNotFoundError, "cannot be read"),
    ):
        with pytest.raises(kind, match=said):
            read_results([tmp_path / path])


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_drawn(written, tmp_path, suffix):
    whole = result("whole", None, storage=None, dtype=None, mean=57.0)
    file = tmp_path / f"plot.{suffix}"
    plot(read_results(written(result(), result("dfs", 5), result("random"), whole)), file)
    assert file.stat().st_size > 5000
    if suffix == "svg":
        assert "whole dataset" in file.read_text() or "<svg" in file.read_text()


def test_a_plot_needs_comparable_results_and_a_writable_path(written, tmp_path):
    with pytest.raises(SettingsError, match="same dataset and evaluation"):
        plot(read_results(written(result(), result(epochs=100))), tmp_path / "plot.png")
    rows = read_results(written(result()))
    with pytest.raises(SettingsError, match="must end in"):
        plot(rows, tmp_path / "plot.nonsense")
    with pytest.raises(OutputNotWritableError, match="cannot be written"):
        plot(rows, tmp_path / "no" / "plot.png")
    with pytest.raises(SettingsError, match="a plot needs at least one result for a store"):
        plot(read_results(written(result("whole", None, storage=None))), tmp_path / "plot.png")


def test_published_results_are_those_of_the_papers_tables():
    assert published("hmdb51", "k-center", 5) == (5.2, 586, 0.4)
    assert published("miniucf", "random", 5) == (19.6, 586, 0.4)  # as printed, though its rule gives 574
    assert published("miniucf", "static-dynamic", 1) == (17.5, 94, 0.1)
    assert published("hmdb51", "static-dynamic", 5) == (8.2, 455, 0.1)
    assert published("miniucf", "dfs", 1, "cnn-gru") == (18.9, None, 0.8)
    assert published("hmdb51", "dfs", 1, settings={"metric": "l2"}) == (6.0, None, 0.6)
    assert published("hmdb51", "dfs", 1, settings={"metric": "cosine", "warmup": 0.2}) == (7.5, 22, 0.3)
    assert published("miniucf", "random", 1, settings={"key_frames": 2}) is None
    assert published("hmdb51", "random", 10) == (9.8, 1150, 0.4)  # as printed for both datasets
    assert published("ssv2", "dfs", 5) == (4.1, None, None)
    assert published("hmdb51", "whole", None) == (25.4, None, 0.2)
    assert published("miniucf", "static-dynamic", 10) is None
    assert published("moving-shapes", "whole", None) is None
    assert [metric_of(d) for d in ("miniucf", "hmdb51", "kinetics400", "ssv2")] == ["top1"] * 2 + ["top5"] * 2
