"""Code that promises equal results computes in full float32, whatever the caller has set."""

import pytest
import torch

from dfs_store.loaders.precision import full_float32


def operators():
    backends = torch.backends
    cuda, cpu = backends.cudnn, backends.mkldnn
    found = (backends.cuda.matmul, cuda.conv, cuda.rnn, cpu.matmul, cpu.conv, cpu.rnn)
    return [each.fp32_precision for each in found]


@pytest.fixture
def settings():
    """Restores torch's settings."""
    backends = torch.backends
    cuda, cpu = backends.cudnn, backends.mkldnn
    places = (backends.cuda.matmul, cuda.conv, cuda.rnn, cpu.matmul, cpu.conv, cpu.rnn)
    before, choice = operators(), (cuda.benchmark, cuda.deterministic)
    yield
    backends.fp32_precision = "none"
    for place, precision in zip(places, before, strict=True):
        place.fp32_precision = precision
    cuda.benchmark, cuda.deterministic = choice


def lower_all():
    torch.backends.fp32_precision = "tf32"


def lower_convolutions():
    torch.backends.cudnn.conv.fp32_precision = "tf32"


def lower_by_the_older_setting():
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


@pytest.mark.parametrize("lower", [lower_all, lower_convolutions, lower_by_the_older_setting])
def test_settings_are_exact_inside_and_restored_outside(settings, lower):
    lower()
    torch.backends.cudnn.benchmark = True
    before = operators()
    with full_float32():
        assert operators() == ["ieee"] * 6
        assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == (False, True)
        with full_float32():
            pass
        assert operators() == ["ieee"] * 6
    assert operators() == before
    assert torch.backends.cudnn.benchmark


def test_settings_are_restored_after_an_error(settings):
    before = operators()
    with pytest.raises(KeyError), full_float32():
        raise KeyError
    assert operators() == before
