"""`dfs evaluate`: short trainings from scratch on a store or on all real clips."""

import pytest
from dfs_store.cli._output import document

SMALL = ("--classes", "still,fast", "--frames", "4", "--size", "43", "--device", "cpu")
SHORT = ("--runs", "2", "--epochs", "2", "--device", "cpu", "--overwrite")
QUICK = ("--runs", "1", "--epochs", "1", "--protocol", "strict", "--device", "cpu", "--overwrite")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from dfs_store.cli import app
    from typer.testing import CliRunner

    out = tmp_path_factory.mktemp("evaluate") / "s.zarr"
    words = [
        "condense",
        "--dataset",
        "moving-shapes",
        "--vpc",
        "1",
        "--method",
        "random",
        *SMALL,
        "--out",
        out,
    ]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return out


def test_the_document_has_the_promised_keys(dfs, made):
    content = dfs("evaluate", made, "--dataset", "moving-shapes", *SHORT, "--json").document
    assert content["schema"] == "dfs.evaluate/1"
    assert (content["model"], content["protocol"]) == ("convnet3d", "paper")
    assert (content["runs"], content["epochs"], content["passes"]) == (2, 2, 3)
    assert (content["recipe"], content["labels"], content["chance"]) == ("paper", "hard", 50)
    assert content["test"] == {
        "dataset": "moving-shapes", "split": None, "hold_out": None, "frames": 4, "stride": 1, "size": 43,
        "num_clips": 80, "split_declared": False,
    }  # fmt: skip
    assert content["elapsed_seconds"] > 0
    for score in (content["top1"], content["top5"]):
        assert set(score) == {"mean", "std", "runs"}
        assert len(score["runs"]) == 2
        assert all(0 <= run <= 100 for run in score["runs"])
    assert content["top5"]["mean"] == 100  # two classes
    assert content["storage"]["num_key_frames"] == 8
    assert (content["num_train_clips"], content["num_classes"]) == (2, 2)


def test_the_store_records_which_clips_to_test_on(dfs, made):
    outcome = dfs("evaluate", made, *SHORT, "--protocol", "strict")
    assert outcome.code == 0
    assert (
        f"{made} on moving-shapes: convnet3d, protocol strict, recipe paper, 2 runs of 2 epochs (3 passes) "
        "on 2 clips" in outcome.stdout
    )
    assert "% of dense float32" in outcome.stdout
    assert "chance  50.0 %" in outcome.stdout


def test_a_single_run_has_no_standard_deviation(dfs, made):
    outcome = dfs("evaluate", made, *QUICK)
    assert "top-1 " in outcome.stdout
    assert "±" not in outcome.stdout


def test_results_for_different_clips_do_not_replace_each_other(dfs, made, tmp_path):
    import json
    import shutil

    store = shutil.copytree(made, tmp_path / "s.zarr")
    base = "s.zarr.convnet3d-strict-0-runs1"
    flags = {(): "", ("--size", "44"): "-size44", ("--frames", "6"): "-frames6"}
    for extra, ending in flags.items():
        words = ("--runs", "1", "--epochs", "0", "--protocol", "strict", "--device", "cpu")
        assert dfs("evaluate", store, *words, *extra).code == 0
        kept = json.loads((tmp_path / f"{base}{ending}.json").read_text())
        assert (kept["test"]["frames"], kept["test"]["size"]) == (
            6 if "frames" in ending else 4,
            44 if "size" in ending else 43,
        )
    assert len(list(tmp_path.glob("*.json"))) == len(flags)


def test_the_modern_recipe_has_its_own_defaults_and_file(dfs, made):
    words = ("--recipe", "modern", "--model", "convnet3d-norm", *QUICK, "--json")
    found = dfs("evaluate", made, *words).document
    assert (found["recipe"], found["model"]) == ("modern", "convnet3d-norm")
    assert (found["epochs"], found["passes"], found["lr"]) == (1, 1, 0.001)
    assert (made.parent / f"{made.name}.convnet3d-norm-strict-1-modern-runs1.json").exists()


def test_soft_labels_are_stored_and_evaluated_beside_the_classes(dfs, tmp_path, short_training):
    store = tmp_path / "soft.zarr"
    words = ("--dataset", "moving-shapes", "--vpc", "1", "--method", "random", *SMALL, "--out", store)
    made = dfs("condense", *words, "--soft-labels")
    assert made.code == 0, made.stderr
    assert "8 key frames, 4.00 per clip, and soft labels" in made.stdout
    assert "soft labels" in dfs("inspect", store).stdout
    found = dfs("evaluate", store, *QUICK, "--json").document
    assert found["labels"] == "both"
    assert set(found["soft"]) == {"top1", "top5"}
    assert set(found["soft"]["top1"]) == {"mean", "std", "runs"}
    assert found["storage"]["soft_label_bytes"] == 2 * 2 * 2
    assert "top-1, soft labels" in dfs("evaluate", store, *QUICK).stdout
    hard = dfs("evaluate", store, *QUICK, "--labels", "hard", "--json").document
    assert (hard["labels"], hard["top1"]) == ("hard", found["top1"])
    soft = dfs("evaluate", store, *QUICK, "--labels", "soft", "--json").document
    assert (soft["labels"], soft["top1"], soft["soft"]) == ("soft", found["soft"]["top1"], found["soft"])
    base = "soft.zarr.convnet3d-strict-1-runs1"
    assert {path.name for path in tmp_path.glob("*.json")} == {
        f"{base}.json", f"{base}-labels-hard.json", f"{base}-labels-soft.json"
    }  # fmt: skip


def test_missing_soft_labels_are_refused(dfs, made):
    for words in ((made, "--labels", "soft"), (made, "--labels", "both")):
        outcome = dfs("evaluate", *words, *QUICK)
        assert outcome.code == 2
        assert "has no soft labels" in " ".join(outcome.stderr.split())
    outcome = dfs("evaluate", "whole", "--dataset", "moving-shapes", "--labels", "soft")
    assert outcome.code == 2
    assert "real clips have no soft labels" in " ".join(outcome.stderr.split())
    assert dfs("evaluate", made, "--labels", "fuzzy").code == 2


def test_whole_trains_on_all_real_clips_and_saves_its_result(dfs, tmp_path, monkeypatch):
    import json

    monkeypatch.chdir(tmp_path)
    words = ("evaluate", "whole", "--dataset", "moving-shapes", *SMALL, "--runs", "1", "--epochs", "1")
    outcome = dfs(*words, "--json")
    assert outcome.document["num_train_clips"] == 200
    assert outcome.document["storage"] is None
    (kept,) = tmp_path.iterdir()
    assert kept.name == "whole.convnet3d-paper-1-runs1-on-moving-shapes-frames4-size43.json"
    assert json.loads(kept.read_text()) == outcome.document
    assert "whole" in dfs("table", kept).stdout


def test_a_repeated_evaluation_is_refused_before_training(dfs, made, tmp_path):
    import shutil

    store = shutil.copytree(made, tmp_path / "s.zarr")
    words = ("evaluate", store, *(word for word in QUICK if word != "--overwrite"))
    assert dfs(*words).code == 0
    (kept,) = tmp_path.glob("*.json")
    before = kept.read_bytes()
    outcome = dfs(*words)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"{kept} already exists; add --overwrite" in outcome.stderr
    assert "loss" not in outcome.stderr
    assert kept.read_bytes() == before
    assert dfs(*words, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["whole"], 2, "needs --dataset"),
        (["nowhere.zarr"], 3, "nowhere.zarr"),
        (["whole", "--dataset", "nowhere"], 3, "neither a dataset"),
        (["whole", "--dataset", "moving-shapes", "--model", "resnet"], 2, "convnet3d"),
        (["whole", "--dataset", "moving-shapes", "--protocol", "loose"], 2, "paper, strict"),
        (["whole", "--dataset", "moving-shapes", "--runs", "0"], 2, "--runs"),
        (["whole", "--dataset", "moving-shapes", "--epochs", "-1"], 2, "epochs"),
        (["whole", "--dataset", "moving-shapes", "--split", "2"], 2, "official split 1, got 2"),
        (["whole", "--dataset", "moving-shapes", "--lr", "-1"], 2, "lr"),
        (["whole", "--dataset", "moving-shapes", "--recipe", "old"], 2, "paper, modern"),
        (["whole", "--dataset", "moving-shapes", "--recipe", "modern", "--epochs", "0"], 2, "at least 1"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_bad_input_is_refused_with_its_code(dfs, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    outcome = dfs("evaluate", *words)
    assert outcome.code == code
    assert said in " ".join(outcome.stderr.split())
    assert outcome.stdout == ""


def test_a_document_begins_with_its_schema(capsys):
    document("dfs.x/1", {"a": 1})
    assert capsys.readouterr().out.startswith('{\n  "schema": "dfs.x/1"')


def test_the_result_is_saved_beside_the_store(dfs, made, tmp_path):
    import json

    printed = dfs("evaluate", made, *SHORT, "--json").document
    kept = json.loads((made.parent / f"{made.name}.convnet3d-paper-2-runs2.json").read_text())
    assert kept == printed
    assert (kept["method"], kept["vpc"], kept["dtype"]) == ("random", 1, "float32")
    assert list(kept["per_class"]) == kept["class_names"] == ["fast", "still"]
    assert sum(map(sum, kept["confusion"])) == 2 * 3 * 80
    other = tmp_path / "other.json"
    dfs("evaluate", made, *SHORT, "--results", other, "-q")
    assert json.loads(other.read_text())["top1"] == kept["top1"]
    other.write_text("precious")
    refused = dfs("evaluate", made, *SHORT[:-1], "--results", other, "-q")
    assert (refused.code, refused.stdout, other.read_text()) == (2, "", "precious")
    assert "--overwrite" in refused.stderr
    assert dfs("evaluate", made, *QUICK, "--results", other, "--overwrite", "-q").code == 0
    assert json.loads(other.read_text())["runs"] == 1
    outcome = dfs("evaluate", made, *QUICK, "--results", tmp_path / "no" / "where.json", "-q")
    assert outcome.code == 2
    assert "top-1" in outcome.stdout  # the result is not lost
    assert "--results" in outcome.stderr


def test_verbose_prints_the_accuracy_of_every_class(dfs, made):
    outcome = dfs("evaluate", made, *QUICK, "-v")
    assert "per class" in outcome.stdout
    assert "fast " in outcome.stdout


def test_held_out_clips_are_not_condensed_but_tested_on(dfs, made, tmp_path, monkeypatch):
    store = tmp_path / "h.zarr"
    words = ("--dataset", "moving-shapes", "--vpc", "1", "--method", "random", *SMALL, "--out", store)
    plan = dfs("condense", *words, "--hold-out", "0.1", "--dry-run", "--json").document
    assert dfs("condense", *words, "--hold-out", "0.1").code == 0
    found = dfs("evaluate", store, *QUICK, "--hold-out", "0.1", "--json").document
    held = found["test"]["num_clips"]
    assert found["test"]["hold_out"] == 0.1
    assert 10 <= held <= 30
    assert plan["num_real_clips"] == 200 - held  # the forecast counts the same clips
    assert (tmp_path / "h.zarr.convnet3d-strict-1-runs1-hold-out0.1.json").exists()
    for path, said in ((made, "condensed with all training clips"), (store, "condensed with --hold-out 0.1")):
        outcome = dfs("evaluate", path, *SHORT, "--hold-out", "0.2")
        assert outcome.code == 2
        assert said in " ".join(outcome.stderr.split())
    monkeypatch.chdir(tmp_path)
    whole = ("whole", "--dataset", "moving-shapes", *SMALL, "--runs", "1", "--epochs", "1")
    found = dfs("evaluate", *whole, "--hold-out", "0.1", "--json").document
    assert (found["num_train_clips"], found["test"]["num_clips"]) == (200 - held, held)


def test_nan_and_infinity_become_null(capsys):
    document("dfs.x/1", {"a": [float("nan"), {"b": float("inf")}, 1.5]})
    assert '[\n    null,\n    {\n      "b": null\n    },\n    1.5\n  ]' in capsys.readouterr().out


def test_a_result_that_cannot_be_saved_only_prints_a_note(dfs, made, tmp_path, monkeypatch):
    import dfs_store.format.io.durable

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(dfs_store.format.io.durable, "write_durably", refuse)
    outcome = dfs("evaluate", made, *QUICK)
    assert outcome.code == 0
    assert "Permission denied" in outcome.stderr
    assert dfs("evaluate", made, *QUICK, "--results", tmp_path / "r.json").code == 2


def test_a_static_dynamic_store_trains_with_its_memories(dfs, tmp_path):
    store = tmp_path / "sd.h5"
    words = (
        "--dataset",
        "moving-shapes",
        *SMALL,
        "--vpc",
        "1",
        "--method",
        "static-dynamic",
        "--batch-real",
        "2",
    )
    steps = ("--iterations", "1", "--static-iterations", "1")
    made = dfs("condense", *words, *steps, "--out", store)
    assert made.code == 0
    # 2 classes x 2 memories x 43 x 43 x (3 + 4) x 4 bytes, and the convolution's 327 numbers
    assert "native arrays, and dense clips for other readers, 0.1987 MiB (208,396 bytes)" in made.stdout
    found = dfs("evaluate", store, *QUICK, "--json").document
    assert (found["method"], found["num_train_clips"]) == ("static-dynamic", 2)
    assert found["storage"]["native_bytes"] == 208_396
    assert "0.1987 MiB (208,396 bytes) of native arrays" in dfs("evaluate", store, *QUICK).stdout
    row = dfs("table", tmp_path, "--json").document["rows"][0]
    assert row["mebibytes"] == row["stored_mebibytes"] == pytest.approx(208_396 / 2**20)
    plan = dfs("condense", *words, *steps, "--out", tmp_path / "other.h5", "--dry-run")
    assert "memories" in plan.stdout
    assert "(208,396 bytes)" in plan.stdout
    notes = dfs("condense", *words, *steps, "--out", tmp_path / "n.h5", "--epsilon", "1", "--dry-run").stdout
    assert "--epsilon, which method static-dynamic does not use" in notes
