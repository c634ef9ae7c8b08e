"""Commands on URLs: the same output, and the exit codes of their errors."""

from tests.cli.conftest import write_store


def test_inspecting_and_repairing_a_remote_store(dfs, bucket):
    url = f"{bucket}/s.zarr"
    write_store(url)
    described = dfs("inspect", url, "--json").document
    assert (described["path"], described["container"]) == (url, "zarr")
    assert "intact" in dfs("verify", url).stdout
    assert dfs("repair", url, f"{bucket}/r.zarr.zip").code == 0
    assert dfs("inspect", f"{bucket}/r.zarr.zip", "--json").document["container"] == "zarr.zip"
    refused = dfs("repair", url, f"{bucket}/r.zarr.zip")
    assert refused.code == 2
    assert "already exists" in refused.stderr


def test_exit_codes(dfs, bucket):
    for url, code, words in (
        (f"{bucket}/none.zarr", 3, "no such store"),
        ("http://127.0.0.1:1/s.zarr", 3, "could not be read"),
        ("gs://bucket/s.zarr", 2, "pip install gcsfs"),
        ("nothing://bucket/s.zarr", 2, "Protocol not known"),
        ("s3:/bucket/s.zarr", 3, "pass a URL as a string (s3://"),
    ):
        for command in ("inspect", "verify"):
            done = dfs(command, url)
            assert done.code == code, done
            assert words.split()[0] in done.stderr.replace("\n", " ")


def test_condensing_to_a_url(dfs, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    command = ["condense", "--dataset", "moving-shapes", "--vpc", 1, "--method", "random", "--size", 8, "-q"]
    command += ["--classes", "still,fast"]
    assert dfs(*command, "--out", f"{bucket}/shapes.zarr").code == 0
    assert dfs(*command, "--out", f"{bucket}/shapes.zarr").code == 2
    assert dfs(*command, "--out", "s3://no-bucket/s.h5").code == 2
    assert "intact" in dfs("verify", f"{bucket}/shapes.zarr").stdout
    (log,) = (tmp_path / "here").iterdir()  # only the log of the run remains in the working folder
    assert log.name.startswith("shapes.zarr.")
    assert log.name.endswith(".events.jsonl")
