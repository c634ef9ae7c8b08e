"""Web servers that fail, lie, stall or change their files lead to an error, never to a wrong picture."""

import contextlib
import gzip
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dfs_store.errors import DFSError, StoreUnreachableError
from dfs_store.format import open_store, verify
from dfs_store.format.io import remote_http
from tests.attacks.commands import run
from tests.format.making import content

SUFFIXES = (".zarr", ".zarr.zip", ".h5")


class Server:
    """A web server for a folder. `behave(handler, data, number)` may answer requests in its own way.

    Attributes:
        behave: function that returns True if it has answered a request for a file with the bytes `data`.
        asked: the paths requested so far.
    """

    def __init__(self, root):
        self.root, self.asked, self._lock = root, [], threading.Lock()
        self.behave = lambda *_: False
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with outer._lock:
                    number = len(outer.asked)
                    outer.asked.append(self.path)
                file = outer.root / self.path.lstrip("/")
                data = file.read_bytes() if file.is_file() else None
                with contextlib.suppress(ConnectionError):
                    if not outer.behave(self, data, number):
                        send(self, data)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def span(handler, size):
    """Returns the first and the last byte of the requested range."""
    start, _, stop = handler.headers["Range"].removeprefix("bytes=").partition("-")
    first = int(start) if start else max(0, size - int(stop))
    return first, min(size - 1, int(stop)) if start and stop else size - 1


def send(handler, data, status=206, **headers):
    """Answers like a correct server, except for the given status and headers."""
    if data is None:
        answer(handler, 404)
        return
    first, last = span(handler, len(data))
    if status == 206 and first < len(data):
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}"} | headers
        data = data[first : last + 1]
    answer(handler, status, data, **headers)


def answer(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in ({"Content-Length": len(body)} | headers).items():
        if value is not None:
            handler.send_header(name, str(value))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server(tmp_path):
    for suffix in SUFFIXES:
        content().write(tmp_path / f"s{suffix}")
    with Server(tmp_path) as started:
        yield started


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(remote_http, "_WAITS_SECONDS", (0, 0))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_command_exits_with_3_after_three_tries(server, status):
    server.behave = lambda handler, *_: answer(handler, status, b"busy", **{"Retry-After": 10**6}) or True
    started = time.monotonic()
    ran = run("inspect", f"{server.url}/s.h5", seconds=30)
    assert (ran.code, len(server.asked)) == (3, 3), ran.stderr
    assert f"could not be read (HTTP status {status})" in ran.stderr
    assert time.monotonic() - started < 20


def hang_up(handler, data):
    handler.close_connection = True


def cut_off(handler, data):
    if data is not None:
        first, last = span(handler, len(data))
        whole = {"Content-Length": last + 1 - first, "Content-Range": f"bytes {first}-{last}/{len(data)}"}
        answer(handler, 206, data[first:last], **whole)
    hang_up(handler, data)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fail", [500, 503, 429, hang_up, cut_off])
def test_requests_are_retried_if_the_server_fails(server, at_once, suffix, fail):
    failed = set()

    def first_time(handler, data, _number):
        asked = handler.path, handler.headers["Range"]
        if asked in failed:
            return False
        failed.add(asked)
        fail(handler, data) if callable(fail) else answer(handler, fail)
        return True

    server.behave = first_time
    with open_store(f"{server.url}/s{suffix}") as store, open_store(server.root / f"s{suffix}") as local:
        for clip in range(len(local)):
            np.testing.assert_array_equal(store.clip(clip), local.clip(clip))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_starts_to_fail_is_not_reported_as_damage(server, at_once, suffix, status):
    with open_store(f"{server.url}/s{suffix}") as store:
        server.behave = lambda handler, *_: answer(handler, status) or True
        asked = len(server.asked)
        with pytest.raises(StoreUnreachableError, match=f"HTTP status {status}"):
            store.clip(2)
        assert len(server.asked) - asked <= 3 * 4
        with pytest.raises(StoreUnreachableError):
            list(verify(f"{server.url}/s{suffix}"))


def test_a_command_reads_from_a_server_without_ranges(server):
    server.behave = lambda handler, data, _: data is not None and (send(handler, data, 200) or True)
    for suffix in SUFFIXES:
        assert run("verify", f"{server.url}/s{suffix}").code == 0


def lies_about_ranges(handler, data):
    send(handler, data[:100] + bytes(len(data) - 100), **{"Content-Range": f"bytes 0-7/{len(data)}"})


def other_bytes(handler, data):
    first, last = span(handler, len(data))
    send(handler, data[1:] + b"x", **{"Content-Range": f"bytes {first + 1}-{last + 1}/{len(data)}"})


def more_bytes(handler, data):
    first, last = span(handler, len(data))
    answer(handler, 206, bytes(2**24), **{"Content-Range": f"bytes {first}-{last}/{len(data)}"})


def fewer_bytes(handler, data):
    answer(handler, 206, data[:3], **{"Content-Range": f"bytes {span(handler, len(data))[0]}-/{len(data)}"})


def cut_short(handler, data):
    first, last = span(handler, len(data))
    headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Length": last - first + 1}
    answer(handler, 206, data[first : first + 3], **headers)
    handler.close_connection = True


def an_endless_answer(handler, _data):
    answer(handler, 200, **{"Content-Length": None, "Transfer-Encoding": "chunked"})
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")


def a_false_size(handler, data):
    send(handler, data, **{"Content-Range": f"bytes 0-7/{2**62}"})


def a_size_of_no_number(handler, data):
    send(handler, data, **{"Content-Range": "bytes 0-7/" + "9" * 4000})


def a_bomb(handler, _data):
    packed = gzip.compress(bytes(2**28))
    answer(handler, 200, packed, **{"Content-Encoding": "gzip"})


def round_and_round(handler, _data):
    answer(handler, 302, Location=handler.path)


def no_http(handler, _data):
    handler.wfile.write(b"\x00\xff" * 10_000)
    handler.close_connection = True


LIES = [
    lies_about_ranges, other_bytes, more_bytes, fewer_bytes, cut_short, an_endless_answer, a_false_size,
    a_size_of_no_number, a_bomb, round_and_round, no_http,
]  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_false_responses_raise_errors_within_the_limits(server, at_once, lie, suffix):
    server.behave = lambda handler, data, _: data is not None and (lie(handler, data) or True)
    ran = run("verify", f"{server.url}/s{suffix}", seconds=40)
    # A store in a folder states the sizes of its files, so the server's sizes are not used.
    harmless = "size" in lie.__name__ and suffix == ".zarr"
    assert ran.code in ((0,) if harmless else (1, 3)), ran.stderr
    assert "Traceback" not in ran.stderr
    assert f"s{suffix}" in ran.stderr + ran.stdout.decode()
    assert ran.peak_bytes < 2**29
    assert len(server.asked) < 40


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_server_that_never_responds_raises_after_a_timeout(server, monkeypatch, suffix):
    monkeypatch.setattr(remote_http, "_SILENCE_SECONDS", 0.3)
    server.behave = lambda *_: server.over.wait(30) or True
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match="could not be read"):
        open_store(f"{server.url}/s{suffix}")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", ["other", "longer", "shorter", "gone"])
def test_an_object_replaced_between_requests_never_gives_mixed_clips(server, at_once, suffix, change):
    """After any number of requests, replacing the store gives one of the two stores, or an error."""
    other = server.root / "other"
    other.mkdir()
    content(seed=5).write(other / f"s{suffix}")
    whole = []
    for root in (server.root, other):
        with open_store(root / f"s{suffix}") as local:
            whole.append([local.clip(clip).tobytes() for clip in range(len(local))])

    def changed(data, path):
        if change == "other":
            return (other / path.lstrip("/")).read_bytes()
        return {"longer": data + bytes(1000), "shorter": data[: len(data) // 2], "gone": None}[change]

    errors = []
    for after in range(12):
        start = len(server.asked)

        def behave(handler, data, number, limit=start + after):
            if number >= limit and data is not None:
                send(handler, changed(data, handler.path))
                return True
            return False

        server.behave = behave
        try:
            with open_store(f"{server.url}/s{suffix}") as store:
                found = [store.clip(clip).tobytes() for clip in range(len(store))]
        except DFSError as error:
            errors.append(str(error))
        else:
            assert found in whole
    assert errors or change == "longer"  # bytes beyond the original end are never read
    assert all(re.search(r"s\.(zarr|h5)", error) for error in errors)
