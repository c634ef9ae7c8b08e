"""A store appears at its URL completely or not at all, and replaces the old one only when complete."""

import errno
import tempfile
from contextlib import contextmanager
from pathlib import Path

import fsspec
import numpy as np
import pytest

from dfs_store.errors import OutputExistsError, OutputNotWritableError, SettingsError, StoreUnreachableError
from dfs_store.format import check_output, copy_store, open_store, verify
from dfs_store.format.io import remote_output
from tests.format.making import content, open_writer
from tests.s3 import S3Server, forget_clients

SUFFIXES = (".zarr", ".zarr.zip", ".h5")


def names(url):
    """Returns the names of all objects below a URL, relative to it."""
    system, root = fsspec.core.url_to_fs(url)
    system.invalidate_cache()
    return sorted(path.removeprefix(f"{root}/") for path in system.find(root))


def digest(url):
    with open_store(url) as store:
        return store.attributes["digest"]


@pytest.fixture(autouse=True)
def spool(tmp_path, monkeypatch):
    """The folder where stores are written before the upload. Nothing may remain in it."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_uploaded_before_a_clean_exit(bucket, suffix):
    url = f"{bucket}/s{suffix}"
    with open_writer(url) as writer:
        writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
        assert names(bucket) == []
    assert list(verify(url)) == []
    with pytest.raises(RuntimeError, match="on purpose"), open_writer(f"{bucket}/t{suffix}") as writer:  # noqa: PT012
        writer.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
        raise RuntimeError("on purpose")
    assert all(name.startswith(f"s{suffix}") for name in names(bucket))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_store_is_replaced_only_with_overwrite(bucket, suffix):
    url = f"{bucket}/s{suffix}"
    content(seed=0).write(url)
    first = digest(url)
    with pytest.raises(OutputExistsError, match="already exists"):
        content(seed=1).write(url)
    with pytest.raises(OutputExistsError, match="already exists"):
        check_output(url)
    assert digest(url) == first
    content(seed=1, with_steps=False).write(url, overwrite=True)
    assert digest(url) != first
    assert list(verify(url)) == []
    left = [name for name in names(bucket) if "inserted_at" in name or "partial" in name or ".new-" in name]
    assert left == []
    # A store may be the source of its own replacement.
    copy_store(url, url, overwrite=True)
    assert list(verify(url)) == []


def test_files_that_are_not_a_store_are_not_replaced(bucket):
    system = fsspec.filesystem("s3")
    for path in ("a.zarr/readme", "b.zarr/labels/photo.jpg", "c.zarr", "d.h5/x"):
        system.pipe_file(f"{bucket}/{path}", b"precious")
        url = f"{bucket}/{path.partition('/')[0]}"
        with pytest.raises(OutputExistsError, match="is not a store, so it was not overwritten"):
            content().write(url, overwrite=True)
        assert system.cat_file(f"{bucket}/{path}") == b"precious"
    system.pipe_file(f"{bucket}/a.zarr/zarr.json", b'{"attributes": {}}')
    with pytest.raises(OutputExistsError, match="is not a store"):
        content().write(f"{bucket}/a.zarr", overwrite=True)


@pytest.mark.parametrize("suffix", [".h5", ".zarr.zip"])
def test_only_a_store_is_replaced_by_a_single_file(bucket, tmp_path, suffix):
    system, url = fsspec.filesystem("s3"), f"{bucket}/s{suffix}"
    content(seed=1).write(tmp_path / f"s{suffix}")
    for old in ((tmp_path / f"s{suffix}").read_bytes(), b""):
        system.pipe_file(url, old)
        content().write(url, overwrite=True)
        assert list(verify(url)) == []
    system.pipe_file(url, b"precious")
    with pytest.raises(OutputExistsError, match="is not a store, so it was not overwritten"):
        content().write(url, overwrite=True)
    assert system.cat_file(url) == b"precious"


def test_the_remains_of_a_failed_upload_can_be_replaced(bucket):
    fsspec.filesystem("s3").pipe_file(f"{bucket}/s.zarr/labels/c.0", b"half")
    with pytest.raises(OutputExistsError, match="at least in part"):
        content().write(f"{bucket}/s.zarr")
    content().write(f"{bucket}/s.zarr", overwrite=True)
    assert list(verify(f"{bucket}/s.zarr")) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_first_of_two_writers_to_finish_wins(bucket, suffix):
    url = f"{bucket}/s{suffix}"
    second = open_writer(url).__enter__()
    second.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
    content().write(url)
    with pytest.raises(OutputExistsError, match="another process wrote to this URL first"):
        second.__exit__(None, None, None)
    assert list(verify(url)) == []
    with open_store(url) as store:
        assert len(store) == 4


@contextmanager
def failing(method, after):
    """Makes a method of the client fail after a number of calls, as if the server failed."""
    import s3fs

    plain, calls = getattr(s3fs.S3FileSystem, method), []

    async def act(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(errno.EREMOTEIO, "We encountered an internal error. Please try again.")
        return await plain(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, method, act)
        forget_clients()
        yield
    forget_clients()


@pytest.mark.parametrize(("suffix", "after"), [(".zarr", 0), (".zarr", 5), (".h5", 0)])
def test_an_upload_that_fails_leaves_nothing(bucket, suffix, after):
    wanted = pytest.raises(StoreUnreachableError, match=r"cannot be written now .*internal error")
    with failing("_put_file", after), wanted:
        content().write(f"{bucket}/s{suffix}")
    assert names(bucket) == []


@pytest.mark.parametrize(("suffix", "after"), [(".zarr", 5), (".zarr", 11), (".h5", 0), (".zarr.zip", 0)])
def test_the_old_store_is_intact_while_the_new_one_is_uploaded(bucket, suffix, after):
    url = f"{bucket}/s{suffix}"
    content(seed=0).write(url)
    first, before = digest(url), names(bucket)
    with failing("_put_file", after), pytest.raises(StoreUnreachableError):
        content(seed=1).write(url, overwrite=True)
    assert digest(url) == first
    assert list(verify(url)) == []
    assert names(bucket) == before


def test_a_failed_replacement_keeps_the_new_store_beside_the_old_one(bucket):
    url = f"{bucket}/s.zarr"
    content(seed=0).write(url)
    wanted = pytest.raises(StoreUnreachableError, match=r"the new store is complete at (s3://\S+\.zarr), ")
    with failing("_cp_file", 3), wanted as caught:
        content(seed=1).write(url, overwrite=True)
    kept = str(caught.value).partition("complete at ")[2].partition(",")[0]
    assert list(verify(kept)) == []
    # The partly replaced store is damaged, and the next writer replaces it.
    assert list(verify(url))
    content(seed=1).write(url, overwrite=True)
    assert digest(url) == digest(kept)


def test_a_writer_yields_to_one_that_is_already_uploading(bucket):
    # Since the first writer's claim exists, nothing that it uploaded is overwritten or removed.
    url = f"{bucket}/s.zarr"
    second = open_writer(url).__enter__()
    second.append(np.zeros((2, 2, 4, 3)), [0, 5], 0)
    system = fsspec.filesystem("s3")
    plain = remote_output._about
    with pytest.MonkeyPatch.context() as patch:
        # The other writer starts between this check and the upload.
        def about(remote, path):
            patch.setattr(remote_output, "_about", plain)
            system.pipe({f"{url}/.writing": b"another", f"{url}/labels/c.0": b"its labels"})

        patch.setattr(remote_output, "_about", about)
        with pytest.raises(OutputExistsError, match="another process"):
            second.__exit__(None, None, None)
    assert names(bucket) == ["s.zarr/.writing", "s.zarr/labels/c.0"]
    assert system.cat_file(f"{url}/labels/c.0") == b"its labels"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_lost_response_is_not_taken_for_another_writer(bucket, suffix):
    # The client retries, and the server refuses because the object exists. It is the writer's own.
    import s3fs

    plain = s3fs.S3FileSystem._put_file

    async def twice(self, *arguments, **options):
        await plain(self, *arguments, **options)
        return await plain(self, *arguments, **options)

    url = f"{bucket}/s{suffix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "_put_file", twice)
        forget_clients()
        content().write(url)
    forget_clients()
    assert list(verify(url)) == []
    assert not any(".writing" in name for name in names(bucket))


def test_a_missing_bucket_is_reported(s3):
    with pytest.raises(OutputNotWritableError, match=r"does not exist .* create it first"):
        content().write("s3://no-such-bucket/s.zarr")


def test_a_server_that_requires_credentials_is_reported(tmp_path, monkeypatch):
    with S3Server(tmp_path / "log", INITIAL_NO_AUTH_ACTION_COUNT="0") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        forget_clients()
        for suffix in SUFFIXES:
            with pytest.raises(StoreUnreachableError, match=r"denies access .*AWS_ACCESS_KEY_ID"):
                open_store(f"s3://stores/s{suffix}")
            with pytest.raises(OutputNotWritableError, match=r"denies write access .*AWS_ACCESS_KEY_ID"):
                check_output(f"s3://stores/s{suffix}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        forget_clients()
        with pytest.raises(StoreUnreachableError, match="AWS_ACCESS_KEY_ID"):
            open_store("s3://stores/s.zarr")
    forget_clients()


def test_plain_http_cannot_be_written():
    for suffix in SUFFIXES:
        with pytest.raises(OutputNotWritableError, match="is read-only"):
            check_output(f"http://127.0.0.1:1/s{suffix}")


def test_a_url_must_have_the_suffix_of_a_store():
    with pytest.raises(SettingsError, match="a store's suffix must be one of"):
        check_output("memory://s.pt")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_server_without_exclusive_creation_can_be_written(suffix):
    # Such a server reports this, and the store is uploaded without it.
    url = f"memory://output{suffix}"
    content().write(url)
    assert list(verify(url)) == []
    content(seed=1).write(url, overwrite=True)
    assert list(verify(url)) == []
    with pytest.raises(OutputExistsError):
        content().write(url)
    fsspec.filesystem("memory").store.clear()


def test_file_urls_are_paths(tmp_path):
    content().write(f"file://{tmp_path}/s.zarr")
    assert (tmp_path / "s.zarr" / "zarr.json").is_file()
    with open_store(f"file://{tmp_path}/s.zarr") as store:
        assert store.path == Path(tmp_path / "s.zarr")
