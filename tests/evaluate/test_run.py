"""Complete evaluations on a small scale."""

import numpy as np
import pytest
import torch

from dfs_store import open_videos
from dfs_store.errors import SettingsError
from dfs_store.evaluate import (
    EvaluatedOn,
    EvaluationSettings,
    Score,
    StoreClips,
    VideoClips,
    clips_of,
    evaluate,
)
from dfs_store.format import copy_store
from tests.evaluate.conftest import CLASSES
from tests.evaluate.stores import write_real_clips
from tests.videos.making import make_folder


@pytest.fixture(scope="module")
def store(tmp_path_factory, parts):
    return write_real_clips(tmp_path_factory.mktemp("store") / "s.zarr", parts[0])


def test_a_stores_clips_are_yielded_in_a_seeded_order(store, parts):
    source = StoreClips(store)
    assert source.classes == list(CLASSES)
    epochs = [list(source.batches(3, epoch, seed=1)) for epoch in (0, 1)]
    again = list(source.batches(3, 0, seed=1))
    for (clips, labels), (same, same_labels) in zip(epochs[0], again, strict=True):
        assert torch.equal(clips, same)
        assert torch.equal(labels, same_labels)
    assert [len(labels) for _, labels in epochs[0]] == [3, 3, 2]
    orders = [torch.cat([labels for _, labels in epoch]).tolist() for epoch in epochs]
    assert all(sorted(order) == [0] * 4 + [1] * 4 for order in orders)
    clip, label = epochs[0][0][0][0], int(epochs[0][0][1][0])
    train, _ = parts
    own = [train.clip(i).permute(1, 0, 2, 3) for i in range(len(train)) if train.targets[i] == label]
    assert min(float((clip - other).abs().max()) for other in own) < 1e-5


def test_real_clips_are_flipped_at_random(parts):
    train, _ = parts
    source = VideoClips(train)
    epochs = [torch.cat([clips for clips, _ in source.batches(8, epoch, seed=0)]) for epoch in range(4)]
    plain = torch.stack([train.clip(i).permute(1, 0, 2, 3) for i in range(len(train))])
    flipped = 0
    for clips in epochs:
        for clip in clips:
            same = [torch.allclose(clip, p, atol=1e-5) for p in plain]
            mirrored = [torch.allclose(clip, p.flip(-1), atol=1e-5) for p in plain]
            assert any(same) or any(mirrored)
            flipped += any(mirrored) and not any(same)
    assert 8 <= flipped <= 24  # of 32


def test_an_evaluation_is_repeatable_and_its_runs_differ(store, parts):
    settings = EvaluationSettings(runs=2, epochs=3, lr=0.05)
    events = []
    one = evaluate(StoreClips(store), parts[1], settings, on_progress=events.append)
    two = evaluate(StoreClips(store), parts[1], settings)
    assert one == two
    assert len(one.top1.runs) == len(one.top5.runs) == 2
    assert one.top5.mean == 100
    assert one.classes == CLASSES
    confusion = np.array(one.confusion)
    assert confusion.sum(axis=1).tolist() == [2 * 3 * 4] * 2  # runs, passes, clips of the class
    assert one.top1.mean == pytest.approx(100 * np.trace(confusion) / confusion.sum())
    assert one.per_class["still"] == pytest.approx(100 * confusion[1, 1] / 24)
    assert [(e.run, e.passes_done) for e in events] == [(r, n) for r in (0, 1) for n in (1, 2, 3, 4)]
    assert all(e.passes == 4 for e in events)
    assert events[0].loss != events[4].loss
    assert (one.epochs, one.passes) == (3, 4)
    assert (one.num_train_clips, one.num_classes, one.chance) == (8, 2, 50)
    assert one.test == EvaluatedOn(
        dataset="moving-shapes", split=None, hold_out=None, frames=4, stride=1, size=43, num_clips=8
    )
    assert one.elapsed_seconds > 0


def test_epochs_and_learning_rate_default_to_those_of_the_recipe():
    chosen = [
        EvaluationSettings(**options).training(0)
        for options in ({}, {"recipe": "modern"}, {"recipe": "modern", "epochs": 7, "lr": 0.5})
    ]
    assert [(one.epochs, one.passes, one.lr) for one in chosen] == [
        (500, 501, 0.01), (300, 300, 0.001), (7, 7, 0.5)
    ]  # fmt: skip


def test_networks_are_trained_on_soft_labels_in_addition_to_hard_ones(store, parts, tmp_path):
    train, test = parts
    soft = np.where(np.arange(2) == train.labels[:, None], 20.0, -20.0)  # a confident teacher
    copy_store(store, tmp_path / "s.h5", soft_labels=soft)
    copy_store(store, tmp_path / "wrong.zarr", soft_labels=-soft)
    settings = EvaluationSettings(runs=2, epochs=3, lr=0.05, protocol="strict")
    hard = evaluate(clips_of(tmp_path / "s.h5"), test, settings)
    events = []
    both = evaluate(
        clips_of(tmp_path / "s.h5"),
        test,
        settings,
        soft=clips_of(tmp_path / "s.h5", labels="soft"),
        on_progress=events.append,
    )
    assert (hard.labels, hard.soft, both.labels) == ("hard", None, "both")
    assert (both.top1, both.confusion) == (hard.top1, hard.confusion)
    assert both.soft["top1"].runs == pytest.approx(hard.top1.runs, abs=10)
    assert [(e.run, e.runs, e.labels) for e in events[::4]] == [
        (0, 4, "hard"), (1, 4, "hard"), (2, 4, "soft"), (3, 4, "soft")
    ]  # fmt: skip
    alone = evaluate(None, test, settings, soft=clips_of(tmp_path / "s.h5", labels="soft"))
    assert (alone.labels, alone.top1, alone.soft) == ("soft", both.soft["top1"], both.soft)
    document = both.to_json()
    assert document["soft"] == {name: both.soft[name].to_json() for name in ("top1", "top5")}
    assert "soft" not in hard.to_json()
    assert document["threads"] == torch.get_num_threads()
    wrong = evaluate(None, test, settings, soft=clips_of(tmp_path / "wrong.zarr", labels="soft"))
    assert wrong.top1.mean == pytest.approx(100 - alone.top1.mean, abs=25)  # it learns the wrong classes
    reordered = Reordered(clips_of(tmp_path / "s.h5", labels="soft"))
    assert evaluate(None, test, settings, soft=reordered) == alone
    with pytest.raises(SettingsError, match="are both None"):
        evaluate(None, test, settings)
    with pytest.raises(SettingsError, match="no soft labels"):
        clips_of(store, labels="soft")


def test_zero_epochs_are_one_pass(store, parts):
    result = evaluate(StoreClips(store), parts[1], EvaluationSettings(runs=1, epochs=0))
    assert (result.epochs, result.passes, len(result.top1.runs)) == (0, 1, 1)


class Reordered:
    """The same clips with their classes in reverse order."""

    def __init__(self, source):
        self._source = source
        self.classes = source.classes[::-1]

    def __len__(self):
        return len(self._source)

    def batches(self, batch_size, epoch, seed):
        for clips, labels in self._source.batches(batch_size, epoch, seed):
            yield clips, labels.flip(1) if labels.ndim == 2 else len(self.classes) - 1 - labels


def test_classes_are_matched_by_name(store, parts):
    settings = EvaluationSettings(runs=1, epochs=3, lr=0.05)
    plain = evaluate(StoreClips(store), parts[1], settings)
    assert evaluate(Reordered(StoreClips(store)), parts[1], settings) == plain


def test_chance_is_the_share_of_the_most_frequent_test_class(store, parts):
    _, held = parts[1].hold_out(0.3)
    counts = np.bincount(held.labels)
    assert counts[0] != counts[1]
    result = evaluate(StoreClips(store), held, EvaluationSettings(runs=1, epochs=0, protocol="strict"))
    assert result.chance == pytest.approx(100 * counts.max() / counts.sum())
    assert (result.test.hold_out, result.test.num_clips) == (0.3, len(held))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for part in ("train", "test"):
        make_folder(root / part, classes=CLASSES, clips=3, frames=40)
    return root


def test_each_run_draws_new_random_starts(store, folder, tmp_path):
    settings = EvaluationSettings(runs=3, epochs=0)
    options = {"frames": 4, "stride": 2, "size": 43, "cache_dir": tmp_path}
    few = open_videos(folder, split="test", random_starts=3, **options)
    with pytest.raises(SettingsError, match=r"runs=3 needs 9 random starts .* got 3"):
        evaluate(StoreClips(store), few, settings)
    evaluate(StoreClips(store), few, EvaluationSettings(runs=3, epochs=0, protocol="strict"))
    test = open_videos(folder, split="test", random_starts=settings.random_starts, **options)
    result = evaluate(StoreClips(store), test, settings)
    assert sum(map(sum, result.confusion)) == 3 * 3 * 6


def test_different_classes_are_rejected(store):
    other = open_videos("moving-shapes", split="test", frames=4, size=43, clips_per_class=1)
    with pytest.raises(SettingsError, match="same classes"):
        evaluate(StoreClips(store), other)


def test_a_score_has_the_mean_and_standard_deviation_over_runs():
    score = Score((10.0, 20.0, 30.0))
    assert score.mean == 20
    assert score.std == pytest.approx(float(np.sqrt(200 / 3)))
    assert str(score) == "20.0 ± 8.2 %"
    assert str(Score((20.0,))) == "20.0 %"  # a single run has no spread
