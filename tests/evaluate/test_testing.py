"""Tests on real clips, with networks whose answers are known."""

import numpy as np
import pytest
import torch
from torch import nn

from dfs_store import open_videos
from dfs_store.evaluate import testing
from dfs_store.evaluate.testing import answers_on, standardisation_of
from dfs_store.videos.tensors import normalised_clips


@pytest.fixture(scope="module")
def videos():
    return open_videos("moving-shapes", split="test", frames=4, size=16, clips_per_class=6)


class Answers(nn.Module):
    """Returns the logits that a function computes from the batch, and records the batches."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.unused = nn.Parameter(torch.zeros(1))
        self.batches = []

    def forward(self, clips):
        self.batches.append(clips)
        return self.function(clips)


def test_a_constant_answer_scores_chance(videos):
    classes = len(videos.classes)
    logits = torch.arange(classes, 0, -1).float()  # class 0 first, then 1, 2, ...
    network = Answers(lambda clips: logits.expand(len(clips), -1))
    top1, top5, confusion = answers_on(network, videos, "strict", seed=0)
    assert top1 == pytest.approx(100 / classes)
    assert top5 == pytest.approx(500 / classes)
    assert confusion[:, 0].tolist() == [6] * classes
    assert confusion.sum() == len(videos)


def test_correct_answers_score_100_percent(videos):
    order = np.sort(videos.labels)
    place = [0]

    def right(clips):
        labels = order[place[0] : place[0] + len(clips)]
        place[0] = (place[0] + len(clips)) % len(order)
        return torch.eye(len(videos.classes))[labels]

    top1, top5, confusion = answers_on(Answers(right), videos, "paper", seed=0, batch_size=7)
    assert (top1, top5) == (100.0, 100.0)
    assert np.array_equal(confusion, 3 * 6 * np.eye(len(videos.classes)))  # three passes


def test_paper_makes_three_passes_with_flips_and_strict_one_without(videos):
    def zeros(clips):
        return torch.zeros(len(clips), len(videos.classes))

    paper, strict, again = Answers(zeros), Answers(zeros), Answers(zeros)
    answers_on(paper, videos, "paper", seed=1, batch_size=64)
    answers_on(again, videos, "paper", seed=1, batch_size=64)
    answers_on(strict, videos, "strict", seed=1, batch_size=64)
    assert len(paper.batches) == 3
    assert len(strict.batches) == 1
    assert all(torch.equal(a, b) for a, b in zip(paper.batches, again.batches, strict=True))
    assert not torch.equal(paper.batches[0], paper.batches[1])  # different flips
    for batch in paper.batches:  # each batch is standardised as a whole
        assert abs(float(batch.mean())) < 1e-4
        assert float(batch.std()) == pytest.approx(1, abs=1e-4)
    for clip in strict.batches[0][:5]:  # each clip is standardised on its own
        assert float(clip.std()) == pytest.approx(1, abs=1e-3)


def test_every_pass_of_every_run_has_its_own_views():
    class Views:
        """Test clips with seven views, each of which has its number as the grey value of every pixel."""

        labels = np.array([1, 0, 1])
        classes = ("a", "b")
        normalization = {"mean": [0.0] * 3, "std": [1.0] * 3}  # noqa: RUF012 - the type in VideoDataset
        num_views = 7
        pixels = np.broadcast_to(np.arange(7, dtype=np.uint8)[:, None, None, None, None], (3, 7, 2, 4, 4, 3))

    seen = []

    def remember(pixels, normalization, flipped):
        seen.append(np.unique(pixels.numpy()).tolist())
        return normalised_clips(pixels, normalization, flipped)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "normalised_clips", remember)
        for run in (0, 1):
            answers_on(Answers(lambda clips: torch.zeros(len(clips), 2)), Views, "paper", seed=0, run=run)
        assert seen == [[1], [2], [3], [4], [5], [6]]
        seen.clear()
        answers_on(Answers(lambda clips: torch.zeros(len(clips), 2)), Views, "strict", seed=0, run=1)
    assert seen == [[0]]


def test_protocols_choose_the_standardisation():
    assert standardisation_of("paper") == "batch"
    assert standardisation_of("strict") == "clip"


def test_normalised_pixels_equal_the_clips_of_the_dataset(videos):
    pixels = torch.from_numpy(np.array(videos.pixels[:3, 0]))
    clips = normalised_clips(pixels, videos.normalization)
    expected = torch.stack([videos.clip(i).permute(1, 0, 2, 3) for i in range(3)])
    torch.testing.assert_close(clips, expected)
    flipped = normalised_clips(pixels, videos.normalization, np.array([False, True, False]))
    torch.testing.assert_close(flipped[1], expected[1].flip(-1))
    torch.testing.assert_close(flipped[0], expected[0])
