"""docs/errors.md lists every class, with its exit code and a message that really occurs."""

import builtins
import re

import pytest
import torch
from dfs_store.cli import _exit_codes

from dfs_store import errors
from tests.docs.pages import ROOT
from tests.docs.scenes import SCENES

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
CLASSES = [getattr(errors, name) for name in errors.__all__]
named = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def section(kind):
    assert kind.__name__ in SECTIONS, f"docs/errors.md has no section ## {kind.__name__}"
    return SECTIONS[kind.__name__]


def shape(example):
    """Returns a pattern for messages like the example: any numbers, any folder for /data, any text for ..."""
    number = r"\d+(?:[\d,.]*\d)?(?:e[+-]\d+)?"
    pattern = ""
    for part in re.split(rf"(\.\.\.|/data|{number})", example):
        if part == "...":
            pattern += ".*"
        elif part == "/data":
            pattern += r"\S*"
        else:
            pattern += number if re.fullmatch(number, part) else re.escape(part)
    return pattern


@named
def test_a_section_gives_exit_code_and_builtin(kind):
    (code,) = re.findall(r"Exit code (\d+)", section(kind))
    assert int(code) == _exit_codes.exit_code(kind("what happened"))
    if kind is not errors.DFSError:
        (builtin,) = re.findall(r"Also an? `(\w+)`", section(kind))
        assert issubclass(kind, getattr(builtins, builtin))


@named
def test_the_example_is_a_real_message(kind, tmp_path, monkeypatch):
    assert kind in SCENES, f"tests/docs/scenes.py has no scene for {kind.__name__}"
    (example,) = re.findall(r"```text\n(.*?)\n```", section(kind), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with pytest.raises(kind) as raised:
            SCENES[kind]()
    finally:
        torch.set_num_threads(threads)
    assert type(raised.value) is kind
    assert re.fullmatch(shape(example), str(raised.value), re.DOTALL), (
        f"docs/errors.md shows\n{example}\nand it is\n{raised.value}"
    )


def test_there_is_no_section_for_a_class_that_is_gone():
    assert set(SECTIONS) - {kind.__name__ for kind in CLASSES} == {"Exit codes"}


def test_the_table_has_every_exit_code():
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", SECTIONS["Exit codes"], re.MULTILINE)}
    constants = {value for value in vars(_exit_codes).values() if type(value) is int}
    assert shown == constants | {0}


def test_a_shape_is_not_any_message():
    assert re.fullmatch(shape("got 5 in /data/x of 1,024; ..."), "got 7 in /tmp/abc/x of 9; and so on")
    assert not re.fullmatch(shape("got 5 in [0 5]"), "got 5 in [0 5], sorry")
    assert not re.fullmatch(shape("--vpc must be 1"), "--ipc must be 1")
