"""Wrong kernels are found before a run relies on them, and the run takes a way that is right."""

import pytest
import torch

from dfs_store import open_store
from dfs_store.condense import condense
from dfs_store.condense.runtime.self_check import check_kernels
from dfs_store.errors import SettingsError
from dfs_store.networks import ConvNet3D, fast_order


class Faulty(ConvNet3D):
    """Embeds wrongly where `fault` says so: "fast", "bf16", "all" or "nan"."""

    fault = ""

    def embed(self, clips):
        right = super().embed(clips)
        # The reference is a plain copy: spare it.
        if (
            (self.fault in ("fast", "nan") and not self.plain)
            or (self.fault == "bf16" and torch.is_autocast_enabled("cpu"))
            or (self.fault == "all" and not hasattr(self, "copied"))
        ):
            return right * (float("nan") if self.fault == "nan" else 1.5)
        return right

    def __deepcopy__(self, memo):
        twin = Faulty(3, 4, 43)
        twin.load_state_dict(self.state_dict())
        twin.copied = True
        return twin


def network(fault=""):
    made = fast_order(Faulty(3, 4, 43).requires_grad_(False).eval())
    made.fault = fault
    return made


def test_sound_kernels_are_used():
    for precision in ("float32", "bf16"):
        found = check_kernels(network(), precision, 4, 43)
        assert found.precision == precision
        assert not found.plain
        assert found.notes == ()
    assert found.provenance()["kernels"]["order"] == "fast"


def test_float32_agrees_closely_and_bf16_roughly():
    assert check_kernels(network(), "float32", 8, 64).error < 1e-5
    assert 1e-5 < check_kernels(network(), "bf16", 8, 64).error < 3e-2


@pytest.mark.parametrize("fault", ["fast", "nan"])
def test_a_wrong_fast_order_falls_back_to_the_plain_one(fault):
    found = check_kernels(network(fault), "float32", 4, 43)
    assert found.plain
    assert found.precision == "float32"
    assert "float32 in fast order is off by" in found.notes[0]
    assert found.error < 1e-5


def test_wrong_bf16_falls_back_to_float32():
    found = check_kernels(network("bf16"), "bf16", 4, 43)
    assert found.precision == "float32"
    assert not found.plain
    assert "bf16 is off by 5e-01 on cpu: real clips are embedded in float32" in found.notes[0]


def test_kernels_that_are_wrong_in_every_way_are_refused():
    with pytest.raises(SettingsError, match=r"plain order is off by 1e\+00 .*torch .*use --device cpu"):
        check_kernels(network("all"), "float32", 4, 43)


def test_a_store_says_how_its_clips_were_embedded(config, videos):
    settings = config(precision="bf16")
    condense(settings, videos)
    with open_store(settings.out) as store:
        kernels = store.attributes["provenance"]["kernels"]
    assert kernels["precision"] == "bf16"
    assert kernels["order"] == "fast"
    assert 0 < float(kernels["error"]) < 5e-2
