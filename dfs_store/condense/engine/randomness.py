"""Random numbers that depend only on the seed and their purpose, never on earlier draws.

Every draw has its own generator, identified by (seed, purpose, numbers). A run can therefore stop and resume
at any step, and process chunks of clips in any order, with the same draws.
"""

from enum import IntEnum

import numpy as np
import torch

__all__ = ["Purpose", "numpy_generator", "torch_generator"]


class Purpose(IntEnum):
    """The purposes of random numbers. Their values must never change, because results depend on them."""

    INITIAL_FRAMES = 1
    INITIAL_CLIPS = 2
    REAL_BATCH = 3
    NETWORK = 4
    INSERTION = 5
    EXTRACTOR = 6
    STATIC_FRAMES = 7
    PAIRS = 8
    STATIC_MEMORY = 9
    DYNAMIC_MEMORY = 10
    INTEGRATOR = 11


def numpy_generator(seed: int, purpose: Purpose, *numbers: int) -> np.random.Generator:
    """Returns the NumPy generator for one draw."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, purpose, *numbers))))


def torch_generator(
    seed: int, purpose: Purpose, *numbers: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Returns the torch generator for one draw of tensors on `device`."""
    state = np.random.SeedSequence((seed, purpose, *numbers)).generate_state(2, np.uint32)
    return torch.Generator(device).manual_seed((int(state[0]) << 31) ^ int(state[1]))
