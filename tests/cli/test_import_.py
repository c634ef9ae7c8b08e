"""`dfs import` prints how it read a file, and asks if that is ambiguous."""

import numpy as np
import torch

from dfs_store import open_store


def save(tmp_path, content):
    torch.save(content, tmp_path / "c.pt")
    return tmp_path / "c.pt"


CLIPS = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 5, 3, 6, 7)).astype(np.float32))


def test_a_file_becomes_a_store(dfs, tmp_path):
    out = tmp_path / "o.zarr"
    words = ("--vpc", "2", "--dataset", "ucf101", "--normalization", "imagenet")
    document = dfs("import", save(tmp_path, CLIPS), out, *words, "--json").document
    assert document["schema"] == "dfs.import/1"
    assert (document["num_clips"], document["class_names"]) == (4, ["class_0", "class_1"])
    assert document["source"]["layout"] == "NTCHW"
    assert open_store(out).attributes["provenance"]["dataset"] == "ucf101"
    assert dfs("import", save(tmp_path, CLIPS), out, *words).code == 2
    again = dfs("import", save(tmp_path, CLIPS), out, *words, "--overwrite", "--key-frames", "2")
    assert "8 key frames" in again.stdout
    assert "grey levels of 255 (RMS)" in again.stdout
    assert "are outside the range of pixels" in again.stderr


def test_ambiguous_and_invalid_files_have_exit_codes(dfs, tmp_path):
    class Hostile:
        def __reduce__(self):
            return print, ("run",)

    out = tmp_path / "o.zarr"
    for content, code, said in (
        (CLIPS, 2, "--clips-per-class V"),
        (torch.zeros(2, 3, 3, 5, 5), 2, "--clips-per-class|--layout"),
        ({"clips": CLIPS, "x": Hostile()}, 3, "never runs code"),
    ):
        outcome = dfs("import", save(tmp_path, content), out)
        assert outcome.code == code
        assert any(each in outcome.stderr for each in said.split("|"))
    assert dfs("import", tmp_path / "no.pt", out).code == 3
    assert not out.exists()


def test_flags_for_the_other_kind_of_source_are_refused(dfs, tmp_path):
    assert (
        "--size applies only to folders of videos"
        in dfs("import", save(tmp_path, CLIPS), tmp_path / "o.h5", "--size", "8").stderr
    )
    (tmp_path / "v").mkdir()
    outcome = dfs("import", tmp_path / "v", tmp_path / "o.h5", "--layout", "NTCHW")
    assert outcome.code == 2
    assert "--layout applies only to files" in outcome.stderr
