"""Evaluation of every network on a pretended GPU: devices are never mixed."""

import pytest
import torch

from dfs_store.evaluate import EvaluationSettings, VideoClips, clips_of, evaluate
from dfs_store.loaders.batching.fused import fused_rebuild
from tests.evaluate.stores import write_real_clips

pytestmark = pytest.mark.filterwarnings("ignore:the fused kernel that rebuilds clips:RuntimeWarning")
# mc3_18 represents the networks of torchvision, which are slow.
SMALL = ("convnet3d", "convnet3d-norm", "cnn-gru", "mc3_18")


@pytest.fixture(autouse=True)
def forget_the_kernel():
    fused_rebuild.cache_clear()
    yield
    fused_rebuild.cache_clear()


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("recipe", ["paper", "modern"])
def test_networks_are_trained_and_tested(tmp_path, parts, work, model, recipe):
    train, test = parts
    path = write_real_clips(tmp_path / "s.zarr", train)
    epochs = 1
    settings = EvaluationSettings(
        model=model, recipe=recipe, runs=1, epochs=epochs, batch_size=4, device="cuda", protocol="strict"
    )
    losses = []
    result = evaluate(
        clips_of(path, "cuda"), test, settings, on_progress=lambda each: losses.append(each.loss)
    )
    assert 0 <= result.top1.mean <= 100
    assert work.kernels > 0
    assert all(loss == loss for loss in losses)
    assert work.in_any_order == {}


def test_networks_are_trained_on_real_clips(parts, work):
    train, test = parts
    settings = EvaluationSettings(runs=1, epochs=1, batch_size=4, device="cuda")
    result = evaluate(VideoClips(train, torch.device("cuda")), test, settings)
    assert 0 <= result.top1.mean <= 100
