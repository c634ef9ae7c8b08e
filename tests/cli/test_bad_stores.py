"""What `inspect`, `verify` and `evaluate` print for paths that are not intact stores."""

import json

import pytest

from tests.cli.conftest import write_store


def make(tmp_path, kind):
    """Makes one bad store and returns its path."""
    path = tmp_path / ("bad.h5" if kind.startswith("h5") else "bad.zarr")
    if kind == "absent":
        return path
    if kind == "absent without suffix":
        return tmp_path / "bad"
    if kind == "a text file":
        path = tmp_path / "notes.txt"
        path.write_text("hello")
        return path
    if kind == "a text called .zarr":
        path.write_text("hello")
    elif kind == "an empty folder":
        path.mkdir()
    elif kind == "h5 text":
        path.write_text("hello")
    elif kind == "h5 cut short":
        write_store(path)
        path.write_bytes(path.read_bytes()[:2000])
    else:
        write_store(path)
        header = json.loads((path / "zarr.json").read_text())
        if kind == "a chunk gone":
            (path / "labels" / "c.0").unlink()
        elif kind == "cut short":
            file = path / "key_frames" / "c.0.0.0.0"
            file.write_bytes(file.read_bytes()[:1000])
        elif kind == "format 2.0":
            header["attributes"]["dfs_store"]["format_version"] = "2.0"
        elif kind == "another encoding":
            header["attributes"]["dfs_store"]["frame_encoding"] = {"name": "jxl", "unit": "frame"}
        elif kind == "one frame":
            header["attributes"]["dfs_store"]["num_frames"] = 1
        (path / "zarr.json").write_text(json.dumps(header))
    return path


@pytest.mark.parametrize(
    ("kind", "inspect", "verify", "said"),
    [
        ("absent", 3, 3, "bad.zarr"),
        ("absent without suffix", 3, 3, "there is no such store"),
        ("a text file", 3, 3, "not a store"),
        ("a text called .zarr", 3, 3, "bad.zarr"),
        ("an empty folder", 3, 3, "bad.zarr"),
        ("h5 text", 3, 3, "bad.h5"),
        ("h5 cut short", 3, 1, "bad.h5"),
        ("a chunk gone", 3, 1, "labels"),
        ("cut short", 3, 1, "key_frames"),
        ("format 2.0", 4, 4, "2.0"),
        ("another encoding", 4, 4, "jxl"),
        ("one frame", 3, 1, "num_frames must be a whole number in 2..65536, got 1"),
    ],
)
def test_bad_stores_are_refused_with_their_code(dfs, tmp_path, kind, inspect, verify, said):
    path = make(tmp_path, kind)
    for command, code in (
        (("inspect",), inspect),
        (("verify",), verify),
        (("evaluate", "--runs", "1"), inspect),
    ):
        outcome = dfs(command[0], path, *command[1:])
        assert outcome.code == code, (command, outcome)
        assert said in outcome.stderr + outcome.stdout
        assert "Traceback" not in outcome.stderr
