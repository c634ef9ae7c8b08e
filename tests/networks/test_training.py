"""Training from scratch: schedule, standardisation, reproducibility, and learning."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dfs_store.errors import DivergedError, OutOfMemoryError, SettingsError
from dfs_store.networks import TrainingSettings, train
from dfs_store.networks.out_of_memory import out_of_memory_named
from dfs_store.networks.training import standardised


class Blobs:
    """Clips (N, T, C, H, W) of two classes that differ by contrast, in batches."""

    def __init__(self, scale=1.0):
        generator = torch.Generator().manual_seed(0)
        self.clips = torch.randn(12, 2, 1, 4, 4, generator=generator) * scale
        self.labels = torch.arange(12) % 2
        self.clips[self.labels == 1, :, :, :2] *= 4
        self.seen = []

    def __len__(self):
        return len(self.labels)

    def batches(self, batch_size, epoch, seed):
        self.seen.append((batch_size, epoch, seed))
        for start in range(0, len(self), batch_size):
            yield self.clips[start : start + batch_size], self.labels[start : start + batch_size]


def network():
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 2))


def published_training(net, source, *, epochs, lr, batch_size, seed):
    """Trains with the public code's loop (`evaluate_synset`) in plain torch."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=0.0005)
    losses = []
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        net.train()
        for ep in range(epochs + 1):
            total = 0.0
            for clips, labels in source.batches(batch_size, ep, seed):
                loss = F.cross_entropy(net((clips - clips.mean()) / clips.std()), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(labels)
            losses.append(total / len(source))
            if ep in [epochs // 2 + 1]:
                lr *= 0.1
                optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=0.0005)
    return losses


@pytest.mark.parametrize("epochs", [0, 1, 2, 3, 8, 21])
def test_training_equals_the_published_loop(epochs):
    how = {"epochs": epochs, "lr": 0.05, "batch_size": 5, "seed": 3}
    ours, published, losses = network(), network(), []
    source = Blobs()
    train(ours, source, TrainingSettings(**how), on_pass=lambda _, loss: losses.append(loss))
    assert losses == pytest.approx(published_training(published, Blobs(), **how), rel=1e-5)
    for own, other in zip(ours.parameters(), published.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)
    assert len(losses) == TrainingSettings(**how).passes == epochs + 1
    assert [number for _, number, _ in source.seen] == list(range(epochs + 1))


def test_soft_labels_are_learned_with_the_kl_divergence_at_temperature_1():
    class Soft(Blobs):
        def batches(self, batch_size, epoch, seed):
            for clips, labels in super().batches(batch_size, epoch, seed):
                yield clips, F.one_hot(labels, 2) * 3.0

    losses, net = [], network().eval()
    net[3].p = 0.0
    with torch.no_grad():
        answers = net(standardised(Blobs().clips, "batch")).log_softmax(1)
    train(net, Soft(), TrainingSettings(epochs=0, batch_size=12), on_pass=lambda _, loss: losses.append(loss))
    teacher = torch.softmax(F.one_hot(Blobs().labels, 2) * 3.0, 1)
    expected = (teacher * (teacher.log() - answers)).sum(1).mean()
    assert losses == [pytest.approx(expected.item(), rel=1e-5)]


def test_standardisation_uses_scalars_of_the_batch_or_of_each_clip():
    clips = torch.randn(5, 2, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 7 + 3
    batch = standardised(clips, "batch")
    torch.testing.assert_close(batch, (clips - clips.mean()) / clips.std())
    clip = standardised(clips, "clip")
    torch.testing.assert_close(clip[2], (clips[2] - clips[2].mean()) / clips[2].std())
    alone = standardised(clips[2:3], "clip")
    torch.testing.assert_close(alone[0], clip[2])  # independent of the other clips in the batch
    assert (standardised(torch.full((2, 1, 1, 2, 2), 3.0), "batch") == 0).all()


def test_training_learns_and_repeats_and_keeps_the_global_generator():
    source, losses = Blobs(), []
    one, other = network(), network()
    settings = TrainingSettings(epochs=60, lr=0.1, batch_size=5, seed=9)
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    train(one, source, settings, on_pass=lambda number, loss: losses.append((number, loss)))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(321)
    train(other, source, settings)
    assert [number for number, _ in losses] == list(range(61))
    assert losses[-1][1] < 0.5 * losses[0][1]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert source.seen[:2] == [(5, 0, 9), (5, 1, 9)]


def test_different_seeds_train_different_networks():
    networks = [network(), network()]
    for seed, one in enumerate(networks):
        train(one, Blobs(), TrainingSettings(epochs=2, batch_size=5, seed=seed))
    assert not torch.equal(networks[0][1].weight, networks[1][1].weight)


def test_a_loss_of_nan_stops_the_training():
    source = Blobs()
    source.clips[0] = torch.nan
    with pytest.raises(DivergedError, match=r"pass 1 of 4 at learning rate 0\.01"):
        train(network(), source, TrainingSettings(epochs=3))


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", -1), ("batch_size", 0), ("lr", 0.0), ("lr", float("nan"))]
)
def test_invalid_settings_raise_an_error(name, value):
    with pytest.raises(SettingsError, match=name):
        TrainingSettings(**{name: value})


def test_a_batch_too_small_for_a_normalisation_layer_raises_an_error():
    normalised = nn.Sequential(nn.Flatten(), nn.Linear(32, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(
        SettingsError, match=r"a batch of 1 clip with shape \(2, 1, 4, 4\); .* different --batch-size"
    ):
        train(normalised, Blobs(), TrainingSettings(epochs=1, batch_size=11))


def test_other_errors_of_a_network_are_not_converted():
    class Broken(nn.Linear):
        def forward(self, clips):
            raise ValueError("a bug in the user's class")

    with pytest.raises(ValueError, match="a bug in the user's class"):
        train(Broken(1, 1), Blobs(), TrainingSettings(epochs=1))


def test_running_out_of_memory_raises_an_error_with_a_remedy():
    with (
        pytest.raises(OutOfMemoryError, match="out of memory: tried 3 GiB; use --device cpu"),
        out_of_memory_named("use --device cpu"),
    ):
        raise torch.OutOfMemoryError("tried 3 GiB\nand much more text")
