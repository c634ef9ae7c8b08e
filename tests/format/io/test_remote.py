"""Ranges read from a server equal slices, and errors say what to do."""

import contextlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfs_store.errors import (
    DamagedStoreError,
    MissingDependencyError,
    SettingsError,
    StoreNotFoundError,
    StoreUnreachableError,
)
from dfs_store.format import copy_store, open_store, verify
from dfs_store.format.io import remote, remote_http
from dfs_store.format.io.place import StoreURL
from dfs_store.format.io.remote import Remote, Want
from dfs_store.format.io.remote_file import RemoteFile
from tests.format.making import content
from tests.s3 import S3Server, forget_clients

SUFFIXES = (".zarr", ".zarr.zip", ".h5")


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


@given(st.data())
def test_ranges_are_slices(data):
    contents = {f"o{number}": os.urandom(size) for number, size in enumerate((1, 300_000, 70_000))}
    system = fsspec.filesystem("memory")
    system.pipe({f"/r.zarr/{name}": each for name, each in contents.items()})
    wants = []
    for name in data.draw(st.lists(st.sampled_from(sorted(contents)), max_size=8)):
        start = data.draw(st.integers(0, len(contents[name]) - 1))
        wants.append(Want(name, start, data.draw(st.integers(start + 1, len(contents[name])))))
    found = Remote(StoreURL("memory://r.zarr")).gather(wants)
    assert [bytes(each) for each in found] == [contents[name][start:stop] for name, start, stop in wants]
    assert not any(each.flags.writeable for each in found)
    system.store.clear()


@given(st.data())
def test_parts_of_a_file_are_slices(data):
    content = os.urandom(data.draw(st.sampled_from([1, 1000, 5_000_000])))
    fsspec.filesystem("memory").pipe_file("/f.h5", content)
    file = RemoteFile(StoreURL("memory://f.h5"))
    assert file.size_bytes == len(content)
    for _ in range(3):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, len(content)))
        assert bytes(file.part(start, stop)) == content[start:stop]
    with pytest.raises(DamagedStoreError, match="is truncated"):
        file.part(0, len(content) + 1)
    fsspec.filesystem("memory").store.clear()


def test_long_ranges_are_split_into_several_requests(memory, monkeypatch):
    monkeypatch.setattr(remote, "_REQUEST_BYTES", 1000)
    data = os.urandom(10_500)
    memory.pipe_file("/r.zarr/o", data)
    (found,) = Remote(StoreURL("memory://r.zarr")).gather([Want("o", 10, 10_400)])
    assert bytes(found) == data[10:10_400]


def test_missing_and_truncated_objects_are_damage(memory):
    memory.pipe_file("/r.zarr/o", b"12345")
    there = Remote(StoreURL("memory://r.zarr"))
    with pytest.raises(DamagedStoreError, match=r"memory://r\.zarr/o is truncated: it has 5 bytes, not 6"):
        there.gather([Want("o", 2, 6)])
    with pytest.raises(DamagedStoreError, match=r"memory://r\.zarr/p is missing"):
        there.gather([Want("p", 0, 6)])
    assert there.starts([("o", 3), ("p", 3), ("o", 9)]) == [b"123", None, b"12345"]
    assert there.tails(["o", "p"], 2) == [b"45", None]


def test_unknown_protocols_and_missing_libraries_raise_clear_errors(monkeypatch):
    with pytest.raises(SettingsError, match="Protocol not known"):
        open_store("nothing://a/s.zarr")
    with pytest.raises(MissingDependencyError, match="pip install gcsfs"):
        open_store("gs://bucket/s.zarr")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'dfs-store\[remote\]'"):
        open_store("s3://bucket/s.zarr")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'dfs-store\[remote\]'"):
        open_store("s3://bucket/s.zarr")


def test_a_server_that_dies_during_a_read_is_reported(tmp_path, monkeypatch):
    content().write(tmp_path / "s.zarr")
    with S3Server(tmp_path / "log") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        forget_clients()
        fsspec.filesystem("s3").mkdir("stores")
        stores = {}
        for suffix in (".zarr", ".zarr.zip", ".h5"):
            copy_store(tmp_path / "s.zarr", f"s3://stores/s{suffix}")
            stores[suffix] = open_store(f"s3://stores/s{suffix}")
            stores[suffix].key_frames(0)
        server.kill()
        for suffix, store in stores.items():
            with pytest.raises(StoreUnreachableError, match=r"could not be read .* try again"):
                store.key_frames(2)
            with pytest.raises(StoreUnreachableError, match="could not be read"):
                open_store(f"s3://stores/s{suffix}")
            with pytest.raises(StoreUnreachableError):
                list(verify(f"s3://stores/s{suffix}"))
    forget_clients()


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A plain web server, which ignores ranges below /whole; with its requests and the sizes it sent."""

    class Handler(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []
        sent: ClassVar[list[int]] = []  # sizes of body parts in bytes

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlsplit(self.path).path
            self.asked.append(f"{self.command} {path}")
            if path.startswith("/secret"):
                self.send_error(403)
                return
            if path.startswith("/status/"):
                self.send_error(int(path.split("/")[2]))
                return
            ranged = not path.startswith("/whole")
            file = tmp_path / path.removeprefix("/whole").lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            data, status = file.read_bytes(), 200
            asked = self.headers.get("Range")
            if asked and ranged:
                start, _, stop = asked.removeprefix("bytes=").partition("-")
                first = int(start) if start else max(0, len(data) - int(stop))
                if first >= len(data):
                    self.send_error(416)
                    return
                size, status = len(data), 206
                data = data[first : int(stop) + 1 if start and stop else None]
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{size}")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Accept-Ranges", "bytes" if ranged else "none")
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):
                    for at in range(0, len(data), 2**20):
                        self.wfile.write(data[at : at + 2**20])
                        self.sent.append(len(data[at : at + 2**20]))

        def log_message(self, *_):
            pass

    monkeypatch.setattr(remote_http, "_WAITS_SECONDS", (0, 0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.asked.clear()
        yield f"http://127.0.0.1:{server.server_port}", Handler.asked, Handler.sent
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", [".zarr", ".zarr.zip", ".h5"])
def test_stores_are_read_over_plain_http(web, tmp_path, suffix):
    url, asked, _ = web
    content().write(tmp_path / f"s{suffix}")
    query = "" if suffix == ".zarr" else "?signature=secret"  # a folder has no signed URL
    with open_store(f"{url}/s{suffix}{query}") as store, open_store(tmp_path / f"s{suffix}") as local:
        np.testing.assert_array_equal(store.clip(2), local.clip(2))
        assert len(asked) <= 10
        assert store.storage == local.storage
        assert "secret" not in repr(store)
    assert list(verify(f"{url}/s{suffix}")) == []
    with pytest.raises(StoreNotFoundError):
        open_store(f"{url}/absent{suffix}{query}")


def test_a_web_server_that_refuses_access_or_connections(web):
    url, *_ = web
    with pytest.raises(StoreUnreachableError, match="denies access") as caught:
        open_store(f"{url}/secret.h5?signature=abc")
    assert "abc" not in str(caught.value)
    with pytest.raises(StoreUnreachableError, match="could not be read"):
        open_store("http://127.0.0.1:1/s.h5")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_error_is_not_reported_as_a_missing_store(web, suffix, status):
    url, *_ = web
    with pytest.raises(
        StoreUnreachableError, match=rf"could not be read \(HTTP status {status}\).* try again"
    ):
        open_store(f"{url}/status/{status}/s{suffix}")
    with pytest.raises(StoreNotFoundError):
        open_store(f"{url}/status/404/s{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_small_stores_are_downloaded_once_if_the_server_ignores_ranges(web, tmp_path, suffix):
    url, asked, _ = web
    content().write(tmp_path / f"s{suffix}")
    with open_store(f"{url}/whole/s{suffix}") as store, open_store(tmp_path / f"s{suffix}") as local:
        for clip in range(len(local)):
            np.testing.assert_array_equal(store.clip(clip), local.clip(clip))
        name = f"/whole/s{suffix}" + ("/key_frames/c.0.0.0.0" if suffix == ".zarr" else "")
        assert asked.count(f"GET {name}") == (
            1 if suffix == ".zarr" else 2
        )  # the probe, then the whole object
    assert list(verify(f"{url}/whole/s{suffix}")) == []


def test_ranges_are_cut_from_an_object_that_is_only_sent_whole(web, tmp_path):
    url, *_ = web
    (tmp_path / "o").write_bytes(data := os.urandom(500_000))
    (tmp_path / "p").write_bytes(other := os.urandom(100))
    server = Remote(StoreURL(f"{url}/whole"))
    wants = [Want("o", 10, 20), Want("p", 1, 9), Want("o", 400_000, 400_010), Want("o", 200_000, 200_001)]
    for _ in range(2):
        found = server.gather(wants)
        assert [bytes(each) for each in found] == [
            {"o": data, "p": other}[name][start:stop] for name, start, stop in wants
        ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_larger_stores_are_refused_at_the_first_response_unless_fsspec_caches_them(
    web, tmp_path, suffix, monkeypatch
):
    url, asked, _ = web
    content().write(tmp_path / f"s{suffix}")
    monkeypatch.setattr(remote, "_SMALL_BYTES", 1000)
    words = r"does not support range requests, and the file has [\d,]+ bytes; only files of at most 1,000 .* simplecache::http://127"
    with pytest.raises(StoreUnreachableError, match=words):
        open_store(f"{url}/whole/s{suffix}").key_frames(0)
    assert len(asked) == 1
    if suffix != ".zarr":
        chained = f"simplecache::{url}/whole/s{suffix}?token=abc"
        with open_store(chained) as store, open_store(tmp_path / f"s{suffix}") as local:
            np.testing.assert_array_equal(store.clip(2), local.clip(2))
            assert "abc" not in repr(store)


def test_a_large_file_is_not_downloaded_to_detect_missing_range_support(web, tmp_path):
    url, _, sent = web
    with (tmp_path / "large.h5").open("wb") as file:
        file.truncate(2**27)
    sent.clear()
    with pytest.raises(StoreUnreachableError, match="does not support range requests"):
        open_store(f"{url}/whole/large.h5")
    assert sum(sent) < 2**25


def test_local_stores_never_load_fsspec(tmp_path):
    for suffix in (".zarr", ".zarr.zip", ".h5"):
        content().write(tmp_path / f"s{suffix}")
    code = (
        "import sys\nfrom dfs_store.format import open_store\n"
        f"for name in ('s.zarr', 's.zarr.zip', 's.h5'): open_store({str(tmp_path)!r} + '/' + name).clip(0)\n"
        "assert not {'fsspec', 's3fs', 'aiohttp', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
