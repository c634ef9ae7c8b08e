"""Croissant metadata can be validated and read by mlcroissant."""

import json

import numpy as np
import pytest

from dfs_store import StoreWriter, open_store
from dfs_store.exchange import export_store
from dfs_store.exchange.exports.export import ExportSettings

mlc = pytest.importorskip("mlcroissant")
# rdflib uses a class of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def exported(tmp_path):
    provenance = {
        "method": "herding",
        "dataset": "/home/somebody/my videos",
        "vpc": 2,
        "created": "2026-01-02T03:04:05+00:00",
        "config": {"seed": 3, "test_list": "/home/somebody/test.txt", "init": None},
        "sampling": {"frames": 4, "stride": 2, "size": 8},
    }
    with StoreWriter(
        tmp_path / "my store.zarr",
        num_frames=4,
        frame_shape=(3, 8, 8),
        class_names=["walk", "run/fast"],
        attributes={"provenance": provenance},
    ) as writer:
        for label in (0, 1, 1):
            writer.append(
                np.full((2 + label, 3, 8, 8), 0.5, np.float32), [0, 3] if not label else [0, 1, 3], label
            )
    settings = ExportSettings("croissant", license="cc-by-4.0")
    export_store(tmp_path / "my store.zarr", tmp_path / "out", settings)
    return tmp_path / "out"


def test_the_metadata_is_valid_and_the_records_can_be_read(exported):
    dataset = mlc.Dataset(jsonld=str(exported / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = list(dataset.records("clips"))
    assert [record["clips/label"] for record in records] == [0, 1, 1]
    assert [record["clips/class_name"] for record in records] == [b"walk", b"run/fast", b"run/fast"]
    assert [record["clips/positions"] for record in records] == [b"0 3", b"0 1 3", b"0 1 3"]


@pytest.mark.parametrize(
    ("method", "config", "how"),
    [
        ("random", {"seed": 0, "iterations": None}, "a method that keeps real frames"),
        ("dm", {"iterations": 5, "init": "noise"}, "a method that trains key frames"),
        (
            "dfs",
            {"iterations": 5, "init": "pack"},
            "a method that trains key frames, starting from real ones",
        ),
        ("mine:run", {"iterations": 5}, "a user-defined method"),
        ("dfs", {}, "an unrecorded method"),
    ],
)
def test_the_way_of_making_is_what_the_store_records(tmp_path, method, config, how):
    provenance = {"method": method, "dataset": "videos", "config": config}
    with StoreWriter(
        tmp_path / "s.zarr",
        num_frames=2,
        frame_shape=(3, 8, 8),
        class_names=["walk"],
        attributes={"provenance": provenance},
    ) as writer:
        writer.append(np.zeros((2, 3, 8, 8), np.float32), [0, 1], 0)
    export_store(tmp_path / "s.zarr", tmp_path / "out", ExportSettings("croissant", license="cc0-1.0"))
    metadata = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert f"The clips were made from videos by {how}." in metadata["rai:dataCollection"]


def test_core_and_responsible_fields_are_filled_in(exported):
    metadata = mlc.Dataset(jsonld=str(exported / "croissant.json")).metadata
    assert metadata.name == "my-store"
    assert metadata.license == ["cc-by-4.0"]
    assert (
        "3 clips of 4 frames in 2 classes, made from my videos with the method herding"
        in metadata.description
    )
    assert "rare content of a class" in str(metadata.data_biases)
    assert "cross-fades" in str(metadata.data_limitations)
    assert "keeps real frames" in str(metadata.data_collection)
    assert "People in my videos may be recognisable" in str(metadata.personal_sensitive_information)
    assert "stride 2" in str(metadata.data_preprocessing_protocol)
    assert "seed 3" in json.dumps(json.loads((exported / "croissant.json").read_text()))
    assert metadata.date_created.year == 2026


def test_no_file_contains_a_path_on_this_machine(exported, tmp_path):
    files = [path for path in exported.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        "croissant.json",
        "my-store.h5",
        "clips.jsonl",
        "dfs-export.json",
    }
    for path in files:
        assert b"/home/somebody" not in path.read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes()
    with open_store(exported / "my-store.h5") as store:
        assert len(store) == 3


def test_a_changed_file_is_detected(exported):
    with (exported / "clips.jsonl").open("a") as file:
        file.write(" ")
    dataset = mlc.Dataset(jsonld=str(exported / "croissant.json"))
    with pytest.raises(Exception, match=r"clips\.jsonl") as caught:
        list(dataset.records("clips"))
    assert "hash" in str(caught.value.__cause__).lower()
