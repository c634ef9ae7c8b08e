"""Reads files that the user named or did not name, and the JSON in them."""

import errno
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from dfs_store.format.io.reading import open_found, parse_json, read_found, read_json, read_named

MOST = 1000


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_regular_file_is_read_by_both_functions(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"x" * MOST)
    link = tmp_path / "l"
    link.symlink_to(file)
    assert read_found(file, MOST) == read_named(file, MOST) == read_found(link, MOST) == b"x" * MOST
    for read in (read_found, read_named):
        with pytest.raises(OSError, match="more than 999 bytes") as caught:
            read(file, MOST - 1)
        assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize("read", [read_found, read_named])
def test_folders_and_missing_paths_are_refused(tmp_path, read):
    with pytest.raises(IsADirectoryError):
        read(tmp_path, MOST)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "f", MOST)


def test_a_file_that_the_user_did_not_name_must_be_regular(tmp_path, pipe):
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, "/dev/zero", "/dev/null"):
        for read in (read_found, open_found):
            with pytest.raises(OSError, match="not a regular file"):
                read(path, MOST)


def test_a_socket_is_refused(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        for read in (read_found, read_named):
            with pytest.raises(OSError, match=r"[Nn]o such device|not a regular"):
                read(path, MOST)


def test_a_pipe_is_read_to_its_end(pipe):
    def write():
        with pipe.open("wb") as file:
            for part in (b"a" * 10, b"b" * 100):
                time.sleep(0.1)
                file.write(part)
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    assert read_named(pipe, MOST) == b"a" * 10 + b"b" * 100
    writer.join()


def test_a_pipe_without_a_writer_is_not_waited_for(pipe):
    started = time.monotonic()
    with pytest.raises(OSError, match="took too long") as caught:
        read_named(pipe, MOST, seconds=0.3)
    assert caught.value.errno == errno.ETIMEDOUT
    assert time.monotonic() - started < 5


def test_a_pipe_that_never_ends_is_not_waited_for(pipe):
    descriptor = os.open(pipe, os.O_RDWR)
    os.write(descriptor, b"a")
    with pytest.raises(OSError, match="took too long"):
        read_named(pipe, MOST, seconds=0.3)
    os.close(descriptor)


def test_endless_pipes_and_devices_are_read_up_to_the_limit(pipe):
    writer = subprocess.Popen(["sh", "-c", f"yes > '{pipe}'"], stderr=subprocess.DEVNULL)
    with writer, pytest.raises(OSError, match="more than 1,000 bytes"):
        read_named(pipe, MOST)
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        read_named("/dev/zero", MOST)
    assert read_named("/dev/null", MOST) == b""


def test_a_shell_descriptor_ends_with_its_writer():
    receive, send = os.pipe()
    os.write(send, b"vpc = 1\n")
    os.close(send)  # closed before it is opened, like `<(echo vpc = 1)`
    assert read_named(f"/dev/fd/{receive}", MOST, seconds=5) == b"vpc = 1\n"
    os.close(receive)


def test_json_is_parsed_strictly(tmp_path):
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, "\\u00e4", "\\ud83d\\ude00"]}') == {
        "a": [1, 2.5, "ä", "😀"]
    }
    assert parse_json("9" * 40) == int("9" * 40)
    for text, said in {
        "1e999": "too large for a 64-bit float",
        '{"a": [-1e400]}': "too large for a 64-bit float",
        "NaN": "NaN is not a JSON number",
        "9" * 41: "has 41 digits",
        "-" + "9" * 10**6: "digits",
        '"\\ud800"': "lone surrogate",
        '{"\\udfff": 1}': "lone surrogate",
        '["\\ude00\\ud83d"]': "lone surrogate",
        "[" * 10**5 + "]" * 10**5: "nested too deeply",
        b'"\xed\xa0\x80"': "can't decode",
        b"\xff\xfe1\x00": "can't decode",
        "": "Expecting value",
    }.items():
        with pytest.raises(ValueError, match=said):
            parse_json(text)
    assert parse_json(json.dumps("caf\udce9"), any_text=True) == "caf\udce9"
    file = tmp_path / "f.json"
    file.write_text("[1]")
    assert read_json(file, MOST) == read_json(file, MOST, named=True) == [1]
