"""Networks by name: their published sizes, torchvision's models, and user-defined classes."""

import pytest
import torch

from dfs_store.errors import SettingsError
from dfs_store.networks import CNNGRU, CNNLSTM, NETWORKS, ConvNet3D, build_network, fast_order
from dfs_store.networks.torchvision_video import TORCHVISION_MODELS


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_recurrent_networks_have_the_published_sizes():
    with torch.device("meta"):  # counts half a billion parameters without memory for them
        gru, lstm = CNNGRU(50, 16, 112), CNNLSTM(50, 16, 112)
    assert gru.num_features == lstm.num_features == 8192
    # Three gates of (8192 + 1024) x 1024 and two biases; four of (8192 + 8192) x 8192.
    assert parameters(gru.recurrent) == 3 * 1024 * (8192 + 1024 + 2) == 28_317_696
    assert parameters(lstm.recurrent) == 4 * 8192 * (8192 + 8192 + 2) == 536_936_448
    assert parameters(gru.classifier) == 50 * (1024 + 1)
    assert parameters(lstm.classifier) == 50 * (8192 + 1)
    blocks = (3 * 9 + 1 + 2) * 128 + 2 * (128 * 9 + 1 + 2) * 128
    assert parameters(gru.features) == parameters(lstm.features) == blocks


@pytest.mark.parametrize(
    ("size", "hidden"), [(8, 16), (32, 256), (48, 576), (63, 784), (64, 1024), (112, 1024)]
)
def test_the_hidden_state_of_the_gru_is_an_eighth_of_the_features(size, hidden):
    network = build_network("cnn-gru", 3, 2, size, seed=0)
    assert network.num_features == 8 * hidden
    assert network.recurrent.hidden_size == network.classifier.in_features == hidden
    assert network(torch.zeros(1, 2, 3, size, size)).shape == (1, 3)


@pytest.mark.parametrize("name", ["cnn-gru", "cnn-lstm"])
def test_recurrent_networks_accept_any_clip_of_at_least_8_pixels(name):
    network = build_network(name, 5, 3, 16, seed=0)
    assert network.num_features == 128 * 2 * 2
    clips = torch.randn(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert network(clips).shape == (2, 5)
    with pytest.raises(SettingsError, match="size >= 8, got 5, 3 and 7"):
        build_network(name, 5, 3, 7, seed=0)


def test_recurrent_networks_crop_frames_larger_than_64_pixels_to_the_centre():
    network = build_network("cnn-gru", 3, 2, 70, seed=0).eval()
    clips = torch.randn(1, 2, 3, 70, 70, generator=torch.Generator().manual_seed(0))
    framed = clips.clone()
    framed[..., :3, :] = framed[..., :, 67:] = 9.0
    with torch.inference_mode():
        assert torch.equal(network(clips), network(framed))
        framed[..., 4, 4] = 9.0
        assert not torch.equal(network(clips), network(framed))


def test_recurrent_networks_depend_on_the_order_of_frames():
    network = build_network("cnn-gru", 3, 4, 16, seed=0).eval()
    clips = torch.randn(1, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        states, _ = network.recurrent(network.features(clips[0]).flatten(1)[None])
        torch.testing.assert_close(network(clips), network.classifier(states.mean(1)))
        assert not torch.allclose(network(clips), network(clips.flip(1)))


@pytest.mark.parametrize("name", TORCHVISION_MODELS)
def test_torchvisions_models_receive_clips_in_their_own_layout(name):
    network = build_network(name, 4, 8, 64, seed=0).eval()
    clips = torch.randn(1, 8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network(clips)
        assert logits.shape == (1, 4)
        own = clips.permute(0, 2, 1, 3, 4)
        if name == "mvit_v2_s":
            own = torch.nn.functional.interpolate(own, size=(16, 224, 224), mode="trilinear")
        torch.testing.assert_close(logits, network.network(own))


def test_torchvisions_models_have_their_published_sizes():
    """The counts are from torchvision's documentation, for Kinetics-400 heads."""
    for name, count in {"r3d_18": 33_371_472, "mc3_18": 11_695_440, "s3d": 8_320_048}.items():
        assert parameters(build_network(name, 400, 16, 112, seed=0)) == count


def test_unsuitable_clips_raise_an_error():
    with pytest.raises(SettingsError, match="s3d does not accept clips of 2x16x16"):
        build_network("s3d", 4, 2, 16, seed=0)


@pytest.mark.parametrize("name", ["convnet3d", "cnn-gru", "r3d_18"])
def test_parameters_depend_only_on_the_seed(name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = (build_network(name, 3, 4, 43, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    first = [list(network.parameters()) for network in (one, same, other)]
    assert all(torch.equal(a, b) for a, b in zip(first[0], first[1], strict=True))
    assert not torch.equal(first[0][0], first[2][0])


def test_build_network_draws_convnet3d_like_reset():
    network = ConvNet3D(3, 4, 43)
    network.reset(torch.Generator().manual_seed(11))
    built = build_network("convnet3d", 3, 4, 43, seed=11)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), built.parameters(), strict=True))


@pytest.mark.parametrize("name", ["convnet3d", "cnn-gru", "r3d_18"])
def test_fast_order_does_not_change_values(name):
    network = build_network(name, 3, 4, 43, seed=0).eval()
    before = [parameter.clone() for parameter in network.parameters()]
    assert fast_order(network) is network
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


USER_MODULE = """
import torch

class Plain(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = torch.nn.Linear(3, num_classes)

    def forward(self, clips):  # (N, C, T, H, W)
        assert clips.shape[1] == 3
        return self.head(clips.mean((2, 3, 4)))

class Sized(Plain):
    def __init__(self, num_classes, size, num_frames):
        super().__init__(num_classes)
        self.told = (size, num_frames)

class Broken(Plain):
    def __init__(self, num_classes):
        raise ValueError("no weights")

class WrongShape(Plain):
    def __init__(self, num_classes):
        super().__init__(num_classes + 1)

class Raises(Plain):
    def forward(self, clips):
        raise KeyError("oh")

class Empty(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, clips):
        return torch.zeros(len(clips), self.num_classes)

def number(num_classes):
    return num_classes
"""


def test_user_defined_classes_are_built_and_checked(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(USER_MODULE)
    monkeypatch.chdir(tmp_path)
    clips = torch.zeros(2, 4, 3, 16, 16)
    assert build_network("own_networks:Plain", 5, 4, 16, seed=0)(clips).shape == (2, 5)
    assert build_network("own_networks:Sized", 5, 4, 16, seed=0).network.told == (16, 4)
    for name, said in {
        "own_networks:Absent": "cannot import Absent",
        "no_such_module:Plain": "cannot import Plain from 'no_such_module'",
        "own_networks:": "cannot import a class",
        "own_networks:Broken": "the class raised ValueError .*: no weights",
        "own_networks:WrongShape": r"logits of shape \(1, 5\) .*, got \(1, 6\)",
        "own_networks:Raises": "the network raised KeyError .*: .oh",
        "own_networks:Empty": "must have parameters to train",
        "own_networks:number": "must return a torch.nn.Module, got int",
    }.items():
        with pytest.raises(SettingsError, match=said):
            build_network(name, 5, 4, 16, seed=0)


def test_an_unknown_name_raises_an_error_that_lists_the_names():
    with pytest.raises(SettingsError, match=r"convnet3d, convnet3d-norm, cnn-gru.*module:Class.*'resnet'"):
        build_network("resnet", 4, 4, 43, seed=0)
    assert set(TORCHVISION_MODELS) < set(NETWORKS)
