"""Durable writes are complete or do not happen, and cleaning up removes only what dead writers left."""

import os

import pytest

from dfs_store.condense.runtime.run_lock import run_lock
from dfs_store.format import open_store
from dfs_store.format.io.durable import Part, clear_dead_parts, write_durably
from tests.format.making import content

TAG = "0123abcd"


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def precious(folder, names=("lock", "thesis.txt")):
    folder.mkdir()
    for name in names:
        (folder / name).write_text("years of work")
    return texts(folder)


@pytest.mark.parametrize("name", ["s.zarr", "s.h5", "s.zarr.zip"])
def test_a_link_named_like_a_dead_part_and_its_target_are_left_alone(tmp_path, name):
    kept = precious(tmp_path / "precious", ("lock", "spool"))
    (tmp_path / f".{name}.{TAG}.partial").symlink_to(tmp_path / "precious")
    content().write(tmp_path / name)
    assert texts(tmp_path / "precious") == kept
    assert len(open_store(tmp_path / name)) == 4


def test_a_dead_part_with_other_content_is_left_alone(tmp_path):
    part = tmp_path / f".s.zarr.{TAG}.partial"
    kept = precious(part)
    assert clear_dead_parts(tmp_path / "s.zarr") == []
    assert texts(part) == kept


@pytest.mark.parametrize("tag", ["0123abc", "0123abcde", "0123ABCD", "../x", "backup"])
def test_only_folders_with_an_exact_tag_are_parts(tmp_path, tag):
    (tmp_path / f".s.zarr.{tag.replace('/', '-')}.partial").mkdir()
    assert clear_dead_parts(tmp_path / "s.zarr") == []


def test_links_in_a_dead_part_are_removed_but_not_their_targets(tmp_path):
    kept = precious(tmp_path / "precious")
    part = tmp_path / f".s.zarr.{TAG}.partial"
    (part / "new.zarr").mkdir(parents=True)
    (part / "lock").touch()
    (part / "spool").symlink_to(tmp_path / "precious")
    (part / "new.zarr" / "key_frames").symlink_to(tmp_path / "precious")
    assert clear_dead_parts(tmp_path / "s.zarr") == [part.name]
    assert not part.exists()
    assert texts(tmp_path / "precious") == kept


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    kept = precious(tmp_path / "precious")
    part = tmp_path / f".s.zarr.{TAG}.partial"
    part.mkdir()
    (part / "lock").symlink_to(tmp_path / "precious" / "lock")
    assert clear_dead_parts(tmp_path / "s.zarr") == []
    (tmp_path / ".s.zarr.run").symlink_to(tmp_path / "precious" / "thesis.txt")
    with run_lock(str(tmp_path / "s.zarr")):
        assert texts(tmp_path / "precious") == kept
    assert texts(tmp_path / "precious") == kept


def test_replacing_a_file_removes_dead_parts(tmp_path):
    path = tmp_path / "index.json"
    write_durably(path, b"first")
    dead = tmp_path / f".index.json.{TAG}.partial"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "new.json").write_bytes(b"cut sh")
    with Part(path) as living:
        write_durably(path, lambda file: file.write(b"second"))
        assert [entry.name for entry in tmp_path.iterdir() if entry != path] == [living.folder.name]
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_only_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "index.json"
    write_durably(path, b"first")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_version_that_cannot_be_restored_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "s.zarr"
    content().write(path)
    part = Part(path)
    path.rename(part.old)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "I/O error")))
        part.remove()
    assert len(open_store(part.old)) == 4
    assert clear_dead_parts(path) == [part.folder.name]
    assert len(open_store(path)) == 4
    assert list(tmp_path.iterdir()) == [path]
