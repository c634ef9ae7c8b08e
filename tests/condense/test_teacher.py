"""Soft labels: which network's logits they are, for which clips, and that they change nothing else."""

import dataclasses

import numpy as np
import pytest
import torch

from dfs_store import open_store
from dfs_store.condense import ExtractorTrained, condense, plan_run
from dfs_store.condense.engine.extractor import extractor_network
from dfs_store.condense.teacher import teacher_of
from dfs_store.errors import SettingsError
from dfs_store.networks.training import standardised

pytestmark = pytest.mark.usefixtures("short_training")


@pytest.mark.parametrize("changes", [{}, {"dtype": "uint8"}, {"encoding": "webp:10"}, {"out": "s.h5"}])
def test_soft_labels_are_the_teachers_logits_for_the_stored_clips(config, videos, tmp_path, changes):
    if "out" in changes:
        changes = {"out": str(tmp_path / changes["out"])}
    settings = config(method="random", soft_labels=True, **changes)
    events = []
    with condense(settings, videos, on_event=events.append) as store:
        network, origin = extractor_network("trained", videos, 0, torch.device("cpu"), lambda _: None)
        for number in range(len(store)):
            clip = torch.from_numpy(store.clip(number))[None]
            with torch.no_grad():
                expected = network(standardised(clip, "clip"))[0].numpy().astype(np.float16)
            assert np.array_equal(store.soft_labels[number], expected)
        assert len({tuple(row) for row in store.soft_labels.tolist()}) == len(store)
        provenance = store.attributes["provenance"]
        assert provenance["teacher"]["sha256"] == origin["sha256"]
        assert provenance["teacher"]["num_real_clips"] == len(videos)
        assert provenance["config"]["soft_labels"] is True
        assert provenance["threads"] == torch.get_num_threads()
        assert len(provenance["sources"]) == len(store)
    assert any(isinstance(event, ExtractorTrained) for event in events)
    plain = dataclasses.replace(settings, soft_labels=False, overwrite=True)
    with open_store(settings.out) as soft:
        clips = [soft.key_frames(number) for number in range(len(soft))]
    with condense(plain, videos) as store:
        assert store.soft_labels is None
        assert all(np.array_equal(store.key_frames(n), clip) for n, clip in enumerate(clips))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["cache", settings.out.rpartition("/")[2]]
    )


def test_the_teacher_is_not_trained_on_held_out_clips(config, videos):
    seen = []
    _, about = teacher_of(videos, torch.device("cpu"), seen.append)
    train, held = videos.hold_out(0.4)
    _, about_other = teacher_of(train, torch.device("cpu"), seen.append)
    assert [event.passes_done for event in seen] == [0, 1] * 2  # neither used the other's network
    assert about["sha256"] != about_other["sha256"]
    assert about_other["num_real_clips"] == len(videos) - len(held)
    with condense(config(method="random", soft_labels=True, vpc=1, hold_out=0.4), videos) as store:
        assert store.attributes["provenance"]["teacher"]["sha256"] == about_other["sha256"]


def test_trained_key_frames_have_soft_labels_too_and_resume_to_the_same(config, videos):
    with condense(config(soft_labels=True, vpc=1), videos) as store:
        assert store.soft_labels.shape == (3, 3)


def test_soft_labels_are_forecast_and_raise_an_error_if_unsupported(config, videos):
    assert plan_run(config(soft_labels=True), videos).soft_label_bytes == 2 * 6 * 3
    assert plan_run(config(), videos).soft_label_bytes is None
    with pytest.raises(SettingsError, match="--soft-labels is not used by method static-dynamic"):
        config(method="static-dynamic", soft_labels=True)
    with pytest.raises(SettingsError, match="at least 43 pixels per side, got 32"):
        plan_run(config(method="random", soft_labels=True, size=32))
