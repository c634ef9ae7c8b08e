"""Imports run one way only, and light commands stay light."""

import ast
import collections
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import write_store

ROOT = Path(__file__).parent.parent
# videos and networks must not import each other, nor must evaluate and exchange.
RANKS = {
    "errors": 0, "display": 0, "lazy": 0, "user_code": 1, "byte_sizes": 1, "names": 1, "shares": 1,
    "interpolation": 1, "format": 2, "pictures": 3, "loaders": 4, "videos": 5, "networks": 5, "condense": 6,
    "evaluate": 7, "exchange": 7, "report": 8, "cli": 9,
}  # fmt: skip
HEAVY = {"torch", "torchvision", "zarr", "h5py", "numpy", "rich.progress"}


def layer(file):
    parts = file.relative_to(ROOT).parts
    return "cli" if parts[0] == "cli" else parts[1].removesuffix(".py")


def imported_layers(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "dfs_store" and len(parts) > 1 and parts[1] in RANKS:
                yield node.lineno, parts[1]


SOURCES = sorted([*(ROOT / "dfs_store").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_run_one_way(file):
    own = layer(file)
    if own in ("__init__", "testing"):  # may import everything
        pytest.skip("not part of the layers")
    for line, other in imported_layers(file):
        legal = RANKS[other] < RANKS[own] or other == own
        assert legal, f"{file.relative_to(ROOT)}:{line}: {own} must not import {other}"


def test_no_two_classes_have_the_same_name():
    places = collections.defaultdict(list)
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = ("dfs_store", *parts) if parts[0] == "cli" else parts
    return ".".join(parts).removesuffix(".__init__")


def imported_modules(file, known):
    """Returns the modules that a file imports, including inside functions but not under TYPE_CHECKING."""
    package = module_name(file) if file.stem == "__init__" else module_name(file).rpartition(".")[0]

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names
            )
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return {
        name for name in visit(ast.parse(file.read_text())) if name in known and name != module_name(file)
    }


def test_there_are_no_import_cycles():
    """Imports by name (`importlib`) are ignored: methods are found that way, and import their settings."""
    files = {module_name(file): file for file in SOURCES}
    graph = {name: imported_modules(file, files) for name, file in files.items()}
    assert "dfs_store.format.zarr.reader" in graph["dfs_store.format.containers"]  # inside a function
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def modules_after(*words):
    """Runs a command in a fresh interpreter and returns the modules it loaded."""
    code = (
        "import sys\n"
        "from dfs_store.cli import main\n"
        f"sys.argv = {['dfs', *map(str, words)]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize("words", [("--help",), ("condense", "--help"), ("--version",)], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    assert not HEAVY & modules_after(*words)


@pytest.mark.parametrize("suffix", ["zarr", "h5"])
@pytest.mark.parametrize("command", ["inspect", "verify", "convert", "merge"])
def test_commands_on_stores_do_not_import_torch(tmp_path, command, suffix):
    store = write_store(tmp_path / f"s.{suffix}")
    more = {
        "convert": [tmp_path / "copy.h5"],
        "merge": [write_store(tmp_path / "t.zarr", num_clips=4), tmp_path / "m.h5"],
    }
    loaded = modules_after(command, store, *more.get(command, []))
    assert "numpy" in loaded
    assert not {"torch", "torchvision"} & loaded


def test_importing_the_package_is_light():
    code = "import sys, dfs_store; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not HEAVY & set(done.stdout.split())


def test_the_format_layer_needs_numpy_alone():
    code = "import sys, dfs_store.format; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "zarr", "h5py"} & set(done.stdout.split())
