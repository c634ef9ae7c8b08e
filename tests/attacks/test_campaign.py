"""Runs a part of the damage campaign. benchmarks/damage_campaign.py runs all of it."""

import numpy as np
import pytest

from tests.attacks.campaign import STORES, copy, run_campaign
from tests.attacks.reader import Reader
from tests.format.making import flip

DAMAGES = 280


def test_every_damage_is_harmless_or_refused():
    counts, findings = run_campaign(range(DAMAGES), seed=20)
    assert not findings, "\n".join(findings)
    assert counts.total() == DAMAGES
    # A campaign in which all damage is harmless, or none is, would prove nothing.
    assert counts["refused"] > DAMAGES / 3
    assert counts["harmless"] > DAMAGES / 20


def test_the_campaign_detects_a_wrong_picture(tmp_path, monkeypatch):
    # A reader that trusts frames without their checksums returns wrong pictures. The campaign must notice.
    from tests.attacks import campaign

    class Credulous(campaign.Reader):
        def read(self, path):
            found = super().read(path)
            trusted = type(found)("whole", "", str(path.stat().st_size), found.seconds, found.peak_bytes)
            return found if found.kind == "whole" else trusted

    monkeypatch.setattr(campaign, "Reader", Credulous)
    monkeypatch.setattr(campaign, "STORES", STORES[:2])
    counts, findings = run_campaign(range(10), seed=20)
    assert counts["another content"] == len(findings) > 0


@pytest.mark.parametrize("name", ["coded-webp.zarr", "coded-avif.zarr", "coded-webp.h5", "coded-avif.h5"])
def test_damage_inside_an_image_file_is_detected_by_its_checksum(tmp_path, name):
    # A decoder might show a wrong picture without an error.
    path = tmp_path / name
    (source,) = (store for store in STORES if store.name == name)
    copy(source, path)
    coded = (source.with_suffix(".zarr") / "coded_frames" / "c.0").read_bytes()
    file = path / "coded_frames" / "c.0" if path.is_dir() else path
    begin = file.read_bytes().index(coded)
    rng = np.random.default_rng(0)
    with Reader() as reader:
        for place in rng.integers(len(coded), size=25).tolist():
            flip(file, begin + place, 1 << int(rng.integers(8)))
            found = reader.read(path)
            assert found.kind == "refused", found
            assert "does not match its checksum" in found.text
            file.write_bytes(file.read_bytes()[:begin] + coded + file.read_bytes()[begin + len(coded) :])
