"""The notebook for a class: its cells run in order, with smaller settings, and its outputs are stored."""

import ast
import json

import pytest
import torch

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "examples" / "class.ipynb"
# In place of the minutes that the notebook's own settings take.
SHORT = {"STEPS": 2, "EPOCHS": 1, "RUNS": 1, "CLASSES": ("jumping", "waving")}


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(source, names):
    """Runs a cell as Jupyter does, and returns what it shows: the value of a last expression, or None."""
    tree = ast.parse(source)
    shown = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    return None if shown is None else eval(compile(shown, NOTEBOOK.name, "eval"), names)


def kinds(cell):
    """Returns the kinds of output that are stored with a cell."""
    found = {kind for output in cell["outputs"] for kind in output.get("data", {})}
    return found | {output["name"] for output in cell["outputs"] if output["output_type"] == "stream"}


def test_every_cell_runs_and_shows_what_is_stored(notebook, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    names = {}
    try:
        for cell in code_cells(notebook):
            value = run("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", []):
                assert set(SHORT) <= set(names)
                names.update(SHORT)
            printed = capsys.readouterr().out
            pictured = value is not None and value._repr_png_().startswith(b"\x89PNG")
            assert (bool(printed), pictured) == ("stdout" in kinds(cell), "image/png" in kinds(cell))
    finally:
        torch.set_num_threads(threads)
    assert names["results"]["DFS"].num_train_clips == 4
    assert list(tmp_path.glob("*/dfs.zarr"))


def test_what_is_stored_is_whole_and_small(notebook):
    assert NOTEBOOK.stat().st_size < 400_000
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run the whole notebook from a new kernel"
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "execute_result"}
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    assert "/home/" not in json.dumps(outputs)
