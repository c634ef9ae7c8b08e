"""Shell completion: the words it offers, its speed, and that real shells use it."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from dataclasses import fields
from typing import get_args

import pytest
import typer
from dfs_store.cli import app

from dfs_store.condense.methods import method_names
from tests.test_layering import HEAVY

PROGRAM = "from dfs_store.cli import main\nmain()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with stores, other files, and a `dfs` on the path."""
    (tmp_path / "work" / "runs").mkdir(parents=True)
    for name in ("ucf.zarr", "runs/hmdb.zarr", ".ucf.zarr.TAG.zarr", "a b.zarr", "$(touch hacked).zarr"):
        (tmp_path / "work" / name).mkdir()
    for name in ("ucf.h5", "ucf.txt"):
        (tmp_path / "work" / name).touch()
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "dfs"
    script.write_text(f"#!{sys.executable}\n{PROGRAM}")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def offered(line):
    """Requests completions as bash does, in a new process. Returns them and the imported modules."""
    words = line.split(" ")
    environment = {"_DFS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = (
        "import sys\nfrom dfs_store.cli import main\nsys.argv = ['dfs']\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return done.stdout.split("\n")[:-1], set(done.stderr.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dfs ins", ["inspect"]),
        ("dfs datasets inf", ["info"]),
        ("dfs condense --insertio", ["--insertion", "--insertions"]),
        ("dfs condense --dataset mi", ["miniucf"]),
        ("dfs condense --method k", ["k-center"]),
        ("dfs evaluate x --model cnn-", ["cnn-gru", "cnn-lstm"]),
        ("dfs inspect u", ["ucf.h5", "ucf.zarr"]),
        ("dfs evaluate ", ["whole", "ucf.h5", "ucf.zarr"]),
        ("dfs verify runs/", ["runs/hmdb.zarr"]),
        ("dfs inspect nowhere/", [""]),  # none, so the shell completes file names
        ("dfs inspect $", [""]),  # a name that a shell would have to quote
    ],
)
def test_offered_words(folder, line, expected):
    found, modules = offered(line)
    assert found == expected
    assert not HEAVY & modules


def test_the_words_match_the_library():
    from dfs_store.condense.settings import Settings, words_of
    from dfs_store.evaluate.testing import Protocol
    from dfs_store.networks import NETWORKS
    from dfs_store.networks.recipes import RECIPES
    from dfs_store.videos import CATALOGUE

    commands = typer.main.get_command(app).commands

    def words(command, name):
        (option,) = [each for each in commands[command].params if each.name == name]
        with commands[command].make_context(command, [], resilient_parsing=True) as context:
            return [item.value for item in option.shell_complete(context, "")]

    assert sorted(words("condense", "method")) == list(method_names())
    assert words("condense", "init") == ["noise", "real", "herding", "pack"]
    assert words("condense", "encoding") == ["webp", "avif", "none"]
    for setting in fields(Settings):
        assert set(words_of(setting.type)) <= set(words("condense", setting.name)), setting.name
    assert sorted(words("evaluate", "protocol")) == sorted(get_args(Protocol))
    assert words("evaluate", "model") == list(NETWORKS)
    assert words("evaluate", "recipe") == list(RECIPES)
    assert words("evaluate", "dataset") == list(CATALOGUE)


def every_parameter(command, name="dfs"):
    for parameter in command.params:
        yield name, parameter
    for below, each in getattr(command, "commands", {}).items():
        yield from every_parameter(each, f"{name} {below}")


def test_every_store_and_dataset_argument_is_completed():
    read = [
        (name, parameter)
        for name, parameter in every_parameter(typer.main.get_command(app))
        if parameter.metavar in {"STORE", "NAME|FOLDER|LIST"} and parameter.name != "out"
    ]
    assert read
    for name, parameter in read:
        assert parameter._custom_shell_complete is not None, f"{name}: {parameter.name} has no autocompletion"


def script_of(shell):
    """Returns what `dfs --show-completion` prints in this shell."""
    return subprocess.run(
        ["dfs", "--show-completion", shell],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@needs("bash")
def test_in_bash(folder):
    script = script_of("bash") + "\nCOMP_WORDS=(dfs inspect ucf.)\nCOMP_CWORD=2\n_dfs_completion dfs\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ucf.h5", "ucf.zarr"]


@needs("fish")
def test_in_fish(folder):
    script = script_of("fish") + "\ncomplete -C 'dfs condense --method '\ncomplete -C 'dfs inspect nowhere'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(method_names())


@needs("zsh")
def test_in_zsh(folder):
    (folder / "completion.zsh").write_text(script_of("zsh"))
    screen = typed_into_zsh(folder, "dfs condense --method k\t")
    assert "--method k-center" in screen
    assert not (folder / "hacked").exists()


def typed_into_zsh(folder, keys):
    """Types into zsh on a pseudo-terminal and returns what is on its screen after a second."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "PS1": "READY> "})
    try:
        read_until(terminal, "READY> ")
        setup = f"autoload -U compinit; compinit -D; source {folder}/completion.zsh; PS1='G''O> '\n"
        os.write(terminal, setup.encode())
        read_until(terminal, "GO> ")  # the echoed line has quotes in between
        os.write(terminal, keys.encode())
        return read_until(terminal, "k-center")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(terminal)


def read_until(terminal, text):
    screen, deadline = "", time.monotonic() + 20
    while text not in screen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            screen += os.read(terminal, 65536).decode(errors="replace")
    return screen


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        pytest.param("bash", ["--norc", "-c"], marks=needs("bash")),
        pytest.param("zsh", ["-f", "-c"], marks=needs("zsh")),
        pytest.param("fish", ["--no-config", "-c"], marks=needs("fish")),
    ],
)
def test_it_installs_itself_into_the_calling_shell(folder, monkeypatch, shell, words):
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # `true` at the end keeps the shell as the parent process, by which the program detects the shell.
    line = "dfs --install-completion; true"
    done = subprocess.run([shell, *words, line], capture_output=True, text=True, check=True)
    assert f"{shell} completion installed" in done.stdout
    assert any("_DFS_COMPLETE" in file.read_text() for file in home.rglob("*") if file.is_file())
