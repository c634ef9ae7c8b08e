"""Text from untrusted files on a terminal, and URLs with secrets in errors."""

import json

import numpy as np
import pytest

from dfs_store.format import StoreWriter
from dfs_store.format.io.place import StoreURL
from dfs_store.names import printable, without_secrets
from tests.attacks.commands import run
from tests.format.making import flip

# Clears the line, moves up, reverses the direction, and starts a new line.
EVIL = "\x1b[2K\x1b[1Aa\u202ewhole\x9b2J\x07\r\ns.h5: whole"


def named(path, name, fps=None):
    attributes = {} if fps is None else {"fps": fps}
    with StoreWriter(
        path, num_frames=4, frame_shape=(3, 6, 6), class_names=[name, "b"], attributes=attributes
    ) as writer:
        for label in (0, 1):
            writer.append(np.full((2, 3, 6, 6), 0.5, np.float32), [0, 3], label)
    return path


@pytest.mark.parametrize("words", [("inspect",), ("verify",), ("inspect", "--json"), ("verify", "--json")])
@pytest.mark.parametrize("damaged", [False, True])
def test_control_characters_in_a_class_name_are_escaped(tmp_path, words, damaged):
    store = named(tmp_path / "s.h5", EVIL)
    if damaged:
        data = store.read_bytes()
        flip(store, data.index(np.full(8, 0.5, np.float32).tobytes()) + 4)
    ran = run(words[0], store, *words[1:])
    assert ran.code == (1 if damaged and words[0] == "verify" else 0), ran.stderr
    for text in (ran.stdout.decode(), ran.stderr):
        assert not set(text) & set("\x1b\x9b\x07\r\u202e")
        assert not any(line.startswith("s.h5: whole") for line in text.splitlines())
    if words == ("inspect", "--json"):
        assert json.loads(ran.stdout)["class_names"] == [EVIL, "b"]


def test_columns_are_aligned_although_a_name_is_escaped(tmp_path):
    shown = run("inspect", named(tmp_path / "s.h5", "a\x1b[2Kb")).stdout.decode()
    long, short = (line for line in shown.splitlines() if line.startswith(("  a\\x1b", "  b ")))
    assert long.index(" 1 ") == short.index(" 1 ")


@pytest.mark.parametrize("text", ["\x00", "\x7f", "\x85", "\u200f", "\u2066", "\u2028", "\udcff"])
def test_control_characters_are_escaped(text):
    assert printable(f"a{text}b").isprintable()
    assert printable("añ\tb\n😀") == "añ\tb\n😀"


@pytest.mark.parametrize("words", [("inspect",), ("inspect", "--json"), ("verify",)])
def test_output_is_ascii_on_an_ascii_terminal(tmp_path, words):
    store = named(tmp_path / "s.h5", "Прыжок 😀")
    ran = run(words[0], store, *words[1:], env={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 0, ran.stderr
    assert ran.stdout.isascii()
    if "--json" in words:
        assert json.loads(ran.stdout)["class_names"] == ["Прыжок 😀", "b"]


def test_a_report_is_written_for_a_path_that_is_not_utf_8(tmp_path):
    store = named(tmp_path / "s.h5", "a").rename(tmp_path / "s\udcff.h5")
    ran = run("report", store, "--out", tmp_path / "r.html")
    assert ran.code == 0, ran.stderr
    assert "s\\xff.h5" in (tmp_path / "r.html").read_text()


def test_an_impossible_frame_rate_is_refused(tmp_path):
    ran = run("export", named(tmp_path / "s.h5", "a", 1e300), "--to", "videos", "--out", tmp_path / "v")
    assert ran.code == 2
    assert "s.h5 has 1e+300; set a supported rate with --fps" in ran.stderr


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hush@host/s.h5",
        "https://user:hu@sh@host/s.h5?token=hush",
        "HTTPS://host/s.h5?token=hush",
        "simplecache::https://host/s.h5?a='hush",
        "simplecache::https://user:hush@host/s.h5",
        "https://host/s.h5?token=hu%73h&x=hush#hush",
    ],
)
def test_no_secret_of_a_url_is_shown(url):
    for text in (str(StoreURL(url)), without_secrets(f"cannot open {url}"), without_secrets(f"({url})")):
        assert "hu" not in text
        assert "host/s.h5" in text


def test_text_without_urls_is_unchanged():
    text = "a@b?c d://; C:/x, see http://host/a.h5 (and s3://bucket/a.zarr)"
    assert without_secrets(text) == text


def test_an_error_of_the_command_line_shows_no_secret():
    ran = run("inspect", "simplecache::http://user:p@hush@127.0.0.1:9/s.h5?token=hush")
    assert ran.code == 3
    assert "hush" not in ran.stderr + ran.stdout.decode()
