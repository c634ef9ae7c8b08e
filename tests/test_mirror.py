"""A test lies where its code lies: the folders of the tests are those of the code."""

import subprocess
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
# What crosses files: laws, attacks, stores of old releases, the documentation; and commands, a file each.
ACROSS = ("properties", "attacks", "archives", "docs", "cli")


def listed(*patterns):
    done = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [PurePosixPath(line) for line in done.stdout.split()]


def test_folders_of_tests_are_those_of_the_code():
    code = {path.parent.relative_to("dfs_store") for path in listed("dfs_store/*.py")}
    tests = {path.parent.relative_to("tests") for path in listed("tests/*test_*.py")}
    assert {folder for folder in tests - code if folder.parts[0] not in ACROSS} == set()


def test_a_test_with_the_name_of_a_single_file_lies_beside_it():
    homes = {}
    for path in listed("dfs_store/*.py"):
        homes.setdefault(f"test_{path.name}", set()).add(path.parent.relative_to("dfs_store"))
    misplaced = {
        str(path)
        for path in (each.relative_to("tests") for each in listed("tests/*test_*.py"))
        if path.parts[0] not in ACROSS and path.parent not in homes.get(path.name, {path.parent})
    }
    assert misplaced == {
        "loaders/test_remote.py",  # loaders of stores at URLs
    }
