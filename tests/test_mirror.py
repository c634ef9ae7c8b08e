"""Tests have the same paths as the code that they test."""

import subprocess
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
# Tests that cross files: laws, attacks, old releases' stores, documentation, and a file for each command.
ACROSS = ("properties", "attacks", "archives", "docs", "cli")


def listed(*patterns):
    done = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [PurePosixPath(line) for line in done.stdout.split()]


def test_every_folder_of_tests_mirrors_a_folder_of_code():
    code = {path.parent.relative_to("dfs_store") for path in listed("dfs_store/*.py")}
    tests = {path.parent.relative_to("tests") for path in listed("tests/*test_*.py")}
    assert {folder for folder in tests - code if folder.parts[0] not in ACROSS} == set()


def test_a_test_named_after_a_file_is_in_the_mirrored_folder():
    homes = {}
    for path in listed("dfs_store/*.py"):
        homes.setdefault(f"test_{path.name}", set()).add(path.parent.relative_to("dfs_store"))
    misplaced = {
        str(path)
        for path in (each.relative_to("tests") for each in listed("tests/*test_*.py"))
        if path.parts[0] not in ACROSS and path.parent not in homes.get(path.name, {path.parent})
    }
    assert misplaced == {
        "loaders/test_remote.py",  # tests the loaders with stores at URLs
    }
