"""Every recipe against `dfs import` is refused with known words, soon, and in little memory."""

import re
from pathlib import Path

import pytest

from tests.attacks.reader import Reader
from tests.attacks.recipes import import_labels  # noqa: F401 - registers more of them
from tests.attacks.recipes.import_files import IMPORT_ATTACKS
from tests.attacks.recipes.registry import HARMLESS

SECONDS = 4.9
# What 200,000 notes of arrays take, the most that are made of a file, and so often the file.
ALWAYS_BYTES, MULTIPLE = 128 * 2**20, 24


@pytest.fixture(scope="module")
def reader():
    with Reader() as started:
        yield started


@pytest.fixture(scope="module")
def usual(reader, tmp_path_factory):
    """The memory that a small file takes."""
    path = tmp_path_factory.mktemp("usual") / "c.npy"
    path.write_bytes(b"no")
    return reader.read(path).peak_bytes


@pytest.mark.parametrize("attack", IMPORT_ATTACKS, ids=lambda attack: attack.name + attack.suffix)
def test_an_attack_is_refused_soon_and_in_little_memory(reader, usual, tmp_path, attack):
    path = tmp_path / f"c{attack.suffix}"
    attack.make(path)
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    outcome = reader.read(path)
    assert outcome.seconds < SECONDS
    assert outcome.peak_bytes < usual + ALWAYS_BYTES + MULTIPLE * size, outcome
    assert not Path("/tmp/dfs-store-was-attacked").exists()
    if attack.led_to == HARMLESS:
        assert outcome.kind == "whole", outcome
        return
    assert outcome.kind == "refused", outcome
    assert re.search(attack.led_to, outcome.text), outcome.text[:1000]
    assert path.name in outcome.text or "labels." in outcome.text
    assert len(outcome.text) < 2000
