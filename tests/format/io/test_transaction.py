import errno
import os

import numpy as np
import pytest

from dfs_store.errors import (
    DiskFullError,
    OutputExistsError,
    OutputNotWritableError,
    SettingsError,
    StoreNotFoundError,
)
from dfs_store.format import check_output, open_store
from dfs_store.format.io.durable import output_error
from dfs_store.format.io.transaction import Transaction
from tests.format.making import ENCODINGS, coded_content, content, open_writer


def test_a_folder_that_is_not_a_store_is_never_overwritten(tmp_path):
    folder = tmp_path / "photos.zarr"
    folder.mkdir()
    (folder / "holiday.jpg").write_text("precious")
    with pytest.raises(OutputExistsError, match="not a store, so it was not overwritten"):
        check_output(folder, overwrite=True)
    (folder / "holiday.jpg").unlink()
    (folder / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    (folder / "vacation").mkdir()
    with pytest.raises(OutputExistsError, match="remove it first"):
        check_output(folder, overwrite=True)
    other = tmp_path / "photos.h5"
    folder.rename(other)
    with pytest.raises(OutputExistsError, match="not a store"):
        check_output(other, overwrite=True)
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(OutputExistsError, match="not a store"):
        check_output(tmp_path / "pipe.h5", overwrite=True)


def test_a_damaged_store_may_be_overwritten(tmp_path):
    path = tmp_path / "s.zarr"
    with open_writer(path) as writer:
        writer.append(np.zeros((1, 2, 4, 3)), [0], 0)
        writer.write_native("test", {"numbers": np.zeros(3, dtype=np.int32)})
    (path / "labels" / "c.0").unlink()
    (path / "notes.txt").write_text("its header names a store")
    assert check_output(path, overwrite=True) == path
    (path / "notes.txt").unlink()
    (path / "zarr.json").write_text("cut sho")
    assert check_output(path, overwrite=True) == path
    (path / "zarr.json").unlink()
    assert check_output(path, overwrite=True) == path
    (path / "labels" / "photo.jpg").touch()
    with pytest.raises(OutputExistsError, match="not a store"):
        check_output(path, overwrite=True)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_store_of_image_files_may_be_overwritten_without_its_header(tmp_path, encoding):
    coded_content(encoding).write(tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "zarr.json").unlink()
    assert check_output(tmp_path / "s.zarr", overwrite=True) == tmp_path / "s.zarr"


def test_a_file_that_contains_a_store_may_be_overwritten(tmp_path):
    path = tmp_path / "s.h5"
    for text in ("", "damaged, but its header was called dfs_store"):
        path.write_text(text)
        assert check_output(path, overwrite=True) == path
    path.write_text("no store")
    with pytest.raises(OutputExistsError, match="is not a store"):
        check_output(path, overwrite=True)


def test_an_empty_folder_or_file_may_be_overwritten(tmp_path):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.h5").touch()
    for name in ("s.zarr", "s.h5"):
        assert check_output(tmp_path / name, overwrite=True) == tmp_path / name


def test_an_unknown_suffix_is_refused_first(tmp_path):
    with pytest.raises(SettingsError, match=r"\.zarr, \.h5, \.hdf5"):
        check_output(tmp_path / "none" / "out")


def test_writing_through_a_link_keeps_the_link(tmp_path, container):
    (tmp_path / "disk").mkdir()
    link = tmp_path / f"s.{container}"
    link.symlink_to(tmp_path / "disk" / f"real.{container}")
    content().write(link)
    assert link.is_symlink()
    assert len(open_store(tmp_path / "disk" / f"real.{container}")) == 4


def test_the_error_after_a_killed_overwrite_names_the_old_store(tmp_path):
    path = tmp_path / "s.zarr"
    content().write(path)
    (tmp_path / ".s.zarr.12345678.partial").mkdir()
    path.rename(tmp_path / ".s.zarr.12345678.partial" / "old.zarr")
    with pytest.raises(StoreNotFoundError, match=r"\.s\.zarr\.12345678\.partial/old\.zarr: rename it back"):
        open_store(path)


def test_the_old_folder_is_restored_if_the_new_one_cannot_replace_it(tmp_path):
    path = tmp_path / "s.zarr"
    content().write(path)
    transaction = Transaction(path, overwrite=True)
    transaction.begin()  # nothing is written, so renaming fails
    with pytest.raises(OutputNotWritableError):
        transaction.commit()
    transaction.abort()
    assert len(open_store(path)) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.zarr"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EACCES, OutputNotWritableError),
        (errno.EROFS, OutputNotWritableError),
        (errno.EIO, OutputNotWritableError),
        (errno.ENAMETOOLONG, SettingsError),
    ],
)
def test_system_errors_become_errors_of_the_library(tmp_path, number, kind):
    error = output_error(OSError(number, os.strerror(number)), tmp_path / "s.zarr")
    assert type(error) is kind
    assert "s.zarr" in str(error)


def test_a_name_that_is_too_long_is_reported(tmp_path):
    with pytest.raises(SettingsError, match="too long"):
        content().write(tmp_path / ("x" * 245 + ".zarr"))
    assert list(tmp_path.iterdir()) == []
