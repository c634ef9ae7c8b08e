"""The recipes: the learning rate and clips of every step, and that both recipes train."""

import math

import numpy as np
import pytest
import torch

from dfs_store.errors import SettingsError
from dfs_store.networks import TrainingSettings, train
from dfs_store.networks.recipes import MODERN, PAPER, cropped_and_flipped, recipe_named
from tests.networks.test_training import Blobs, network


def test_the_paper_uses_the_full_learning_rate_in_252_of_501_passes():
    settings = TrainingSettings()
    assert settings.passes == 501
    rates = [PAPER.rate(3 * number, 3, 500) for number in range(501)]
    assert rates == [1.0] * 252 + [0.1] * 249
    assert [number for number in range(501) if PAPER.restarts(number, 500)] == [252]


def test_the_modern_rate_warms_up_over_a_twentieth_and_decays_along_a_cosine():
    rates = [MODERN.rate(step, 4, 100) for step in range(400)]
    assert rates[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert rates[20:] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * step / 380) for step in range(380)])
    assert 0 < rates[-1] < 1e-4
    assert MODERN.rate(0, 1, 1) == 1.0  # too short for a warm-up
    assert not any(MODERN.restarts(number, 100) for number in range(100))


def test_each_step_uses_the_rate_of_its_recipe(monkeypatch):
    seen = []
    step = torch.optim.AdamW.step

    def noted(self, *args, **kwargs):
        group = self.param_groups[0]
        seen.append((group["lr"], group["weight_decay"]))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    train(network(), Blobs(), TrainingSettings(recipe=MODERN, epochs=10, lr=0.02, batch_size=5))
    assert [rate for rate, _ in seen] == pytest.approx([0.02 * MODERN.rate(i, 3, 10) for i in range(30)])
    assert {decay for _, decay in seen} == {0.05}


def test_crops_shift_clips_by_up_to_an_eighth_and_half_are_flipped():
    rows, columns = torch.arange(1, 17), torch.arange(1, 25)
    clip = (rows[:, None] * 100 + columns).float().expand(2, 3, 16, 24)
    clips = torch.stack([clip * (number + 1) for number in range(200)])
    out = cropped_and_flipped(clips, np.random.default_rng(0))
    assert out.shape == clips.shape
    moves, flips = set(), 0
    for number, moved in enumerate(out):
        assert (moved == moved[0, 0]).all()  # all frames and channels are moved alike
        centre = round(moved[0, 0, 8, 12].item() / (number + 1))
        down = 8 - (centre // 100 - 1)
        step = moved[0, 0, 8, 13].item() - moved[0, 0, 8, 12].item()
        flipped = step < 0
        column = centre % 100 - 1
        right = 12 - (23 - column if flipped else column)
        flips += flipped
        moves.add((down, right))
        outside = (moved[0, 0] == 0).sum().item()
        assert outside == 16 * 24 - (16 - abs(down)) * (24 - abs(right))
    assert {down for down, _ in moves} == set(range(-2, 3))
    assert {right for _, right in moves} == set(range(-3, 4))
    assert 70 < flips < 130
    again = cropped_and_flipped(clips, np.random.default_rng(0))
    assert torch.equal(out, again)


def test_modern_training_learns_and_repeats_and_makes_the_stated_passes():
    settings = TrainingSettings(recipe=MODERN, epochs=60, lr=0.02, batch_size=5)
    losses, one, other = [], network(), network()
    train(one, Blobs(), settings, on_pass=lambda _, loss: losses.append(loss))
    train(other, Blobs(), settings)
    assert len(losses) == settings.passes == 60
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_invalid_settings_of_a_recipe_raise_an_error():
    with pytest.raises(SettingsError, match="epochs must be at least 1, got 0"):
        TrainingSettings(recipe=MODERN, epochs=0)
    with pytest.raises(SettingsError, match=r"--recipe must be one of paper, modern, got 'modrn'"):
        recipe_named("modrn")
