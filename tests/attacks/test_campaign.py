"""A part of the damage campaign; benchmarks/damage_campaign.py runs all of it."""

from tests.attacks.campaign import STORES, run_campaign

DAMAGES = 280


def test_every_damage_is_harmless_or_refused():
    counts, findings = run_campaign(range(DAMAGES), seed=20)
    assert not findings, "\n".join(findings)
    assert counts.total() == DAMAGES
    # A campaign that never breaks anything, or always does, would prove nothing.
    assert counts["refused"] > DAMAGES / 3
    assert counts["harmless"] > DAMAGES / 20


def test_the_campaign_sees_another_picture(tmp_path, monkeypatch):
    # else it could not fail: a reader that trusts frames without their checksums gives other pictures
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
