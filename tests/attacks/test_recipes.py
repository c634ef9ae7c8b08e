"""Every attack is harmless or raises a known error, quickly and with little memory."""

import re
import shutil

import pytest

from tests.attacks.reader import Reader
from tests.attacks.recipes import ATTACKS
from tests.attacks.recipes.registry import HARMLESS
from tests.format.making import coded_content, content

SECONDS = 4.0
# In addition to the memory for a valid store. A header of 1,000,000 classes needs most of it.
EXTRA_BYTES = 400 * 2**20


@pytest.fixture(scope="module")
def reader():
    with Reader() as started:
        yield started


def stored_as(attack):
    return attack.suffix, attack.compression, attack.encoding


@pytest.fixture(scope="module")
def sound(reader, tmp_path_factory):
    """Writes a valid store for each kind of storage. Returns paths, contents and peak memory."""
    folder = tmp_path_factory.mktemp("sound")
    paths, contents, peak = {}, {}, 0
    for stored in {stored_as(attack) for attack in ATTACKS}:
        suffix, compression, encoding = stored
        path = folder / f"{compression}-{encoding and encoding[:4]}{suffix}"
        (coded_content(encoding) if encoding else content()).write(path, compression=compression)
        outcome = reader.read(path)
        assert outcome.kind == "whole", outcome
        paths[stored], peak = path, max(peak, outcome.peak_bytes)
        contents[stored] = outcome.content
    return paths, contents, peak


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name + attack.suffix)
def test_an_attack_is_harmless_or_raises_a_clear_error(reader, sound, tmp_path, attack):
    paths, contents, peak = sound
    path, source = tmp_path / f"s{attack.suffix}", paths[stored_as(attack)]
    shutil.copytree(source, path) if source.is_dir() else shutil.copyfile(source, path)
    attack.make(path)
    outcome = reader.read(path)
    assert outcome.seconds < SECONDS
    assert outcome.peak_bytes < peak + EXTRA_BYTES
    if attack.led_to == HARMLESS:
        assert outcome.kind == "whole", outcome
        assert outcome.content == contents[stored_as(attack)]
        return
    assert outcome.kind == "refused", outcome
    assert re.search(attack.led_to, outcome.text), outcome.text[:2000]
    assert path.name in outcome.text
    assert len(outcome.text) < 2000


def test_the_limits_of_the_reader_work(reader):
    # Otherwise, no attack could fail: too much memory, too much time and crashes must be detected.
    assert reader.misbehave("memory").text.startswith("MemoryError")
    assert reader.misbehave("time").kind == "hung"
    assert reader.misbehave("crash").text == "SIGSEGV"
