"""The output of `--json` has at least the keys that design.md promises, which are copied here."""

import pytest

STORAGE = [
    "num_key_frames", "key_frame_bytes", "float32_bytes", "index_bytes", "dense_bytes",
    "dense_uint8_bytes", "on_disk_bytes", "native_bytes", "method_bytes", "source_bytes",
]  # fmt: skip
INSPECT = [
    "schema", "format_version", "container", "method", "dataset", "num_classes", "class_names",
    "num_clips", "num_frames", "frame_shape", "dtype", "frame_encoding", "read_path", "num_key_frames",
    "key_frames_per_clip", "storage", "provenance",
]  # fmt: skip
EVALUATE = [
    "schema", "model", "protocol", "recipe", "runs", "epochs", "test", "chance", "passes", "labels",
    "top1", "top5", "storage", "elapsed_seconds",
]  # fmt: skip
TEST = ["dataset", "split", "hold_out", "frames", "stride", "size", "num_clips"]
SCORE = ["mean", "std", "runs"]
CONDENSE = [
    "schema", "out", "content_digest", "num_key_frames", "key_frames_per_clip", "storage",
    "elapsed_seconds", "steps_per_second",
]  # fmt: skip
PROVENANCE = ["method", "dataset", "vpc", "seed", "config", "software", "created", "sources"]
FORECAST = ["forecast_seconds", "rough"]

SMALL = (
    "--dataset", "moving-shapes", "--classes", "still,fast", "--frames", "4", "--size", "43", "--vpc", "1",
    "--batch-real", "2", "--iterations", "2", "--device", "cpu",
)  # fmt: skip
QUICK = ("--runs", "1", "--epochs", "0", "--protocol", "strict", "--device", "cpu")


@pytest.fixture
def out(tmp_path, short_training):
    return tmp_path / "s.zarr"


def has(document, *keys):
    missing = [key for key in keys if key not in document]
    assert not missing, f"{missing} of {sorted(document)}"
    assert "schema" not in keys or next(iter(document)) == "schema"


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_condense_inspect_and_evaluate(dfs, out, soft):
    made = dfs("condense", *SMALL, "--out", out, "--json", *(("--soft-labels",) if soft else ())).document
    assert list(made) == CONDENSE
    shown = dfs("inspect", out, "--json").document
    has(shown, *INSPECT)
    has(shown["provenance"], *PROVENANCE)
    for document in (made, shown):
        has(document["storage"], *STORAGE)
        has(document["key_frames_per_clip"], "min", "mean", "max", "histogram")
    assert (shown["storage"]["soft_label_bytes"] is not None) == soft
    scored = dfs("evaluate", out, *QUICK, "--json").document
    has(scored, *EVALUATE)
    has(scored["test"], *TEST)
    has(scored["storage"], *STORAGE)
    kinds = [scored, scored["soft"]] if soft else [scored]
    assert scored["labels"] == ("both" if soft else "hard")
    assert ("soft" in scored) == soft
    for kind in kinds:
        for score in (kind["top1"], kind["top5"]):
            assert list(score) == SCORE


def test_dry_runs_forecast_time_and_write_nothing(dfs, out, tmp_path):
    assert dfs("condense", *SMALL, "--out", out).code == 0
    there = sorted(tmp_path.rglob("*"))
    other = tmp_path / "other.zarr"
    plans = [
        dfs("condense", *SMALL, "--out", other, "--dry-run", "--json").document,
        dfs("evaluate", out, *QUICK, "--dry-run", "--json").document,
        dfs("evaluate", "whole", *SMALL[:8], *QUICK, "--dry-run", "--json").document,
    ]
    for plan in plans:
        has(plan, "schema", *FORECAST)
        assert plan["forecast_seconds"] > 0
        assert plan["rough"] is False  # the clips need no preparation
    assert [plan["num_train_clips"] for plan in plans[1:]] == [2, 200]
    assert sorted(tmp_path.rglob("*")) == there
    assert "time  about" in dfs("evaluate", out, *QUICK, "--dry-run").stdout
