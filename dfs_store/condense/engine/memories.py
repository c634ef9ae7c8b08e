"""Static memories (frames) and dynamic memories (motion without colour) by Wang et al., CVPR 2024.

A clip combines a static and a dynamic memory of its class, using a convolution that all clips share.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dfs_store.errors import DamagedStoreError
from dfs_store.format import KeyFrameStore, open_store
from dfs_store.loaders.precision import full_float32
from dfs_store.loaders.transfers import on_device
from dfs_store.networks.out_of_memory import out_of_memory_named

__all__ = ["MEMORIES_PER_VIDEO", "MemoryClips", "StaticDynamicClips", "StaticDynamicMemory", "memory_bytes"]

# Memories of each kind per clip: clip j of a class uses memories 2j and 2j+1.
MEMORIES_PER_VIDEO = 2

Picks = npt.NDArray[np.int64]


def memory_bytes(num_classes: int, vpc: int, num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns the size of all memories and the integrator in bytes, the storage size used in the paper."""
    channels, height, width = frame_shape
    values = num_classes * MEMORIES_PER_VIDEO * vpc * height * width * (channels + num_frames)
    return 4 * (values + 3 * 4 * 27 + 3)


class StaticDynamicMemory:
    """The memories of all classes, and the integrator that combines them.

    Attributes:
        static: (classes * M, 3, H, W) float32, with M = 2 * vpc memories per class, class by class.
        dynamic: (classes, M, T, 1, H, W) float32.
        integrator: the shared Conv3d from 4 channels (static memory repeated over time, and dynamic memory)
            to 3. PyTorch initialises it from its global generator.
    """

    def __init__(self, static: Tensor, dynamic: Tensor) -> None:
        self.static, self.dynamic = static, dynamic
        self.integrator = nn.Conv3d(4, 3, 3, padding=1).to(static.device)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.float32]], device: torch.device
    ) -> "StaticDynamicMemory":
        """Restores memories from the result of `arrays`.

        Raises:
            KeyError, RuntimeError: an array is missing or has the wrong shape.
        """
        memory = cls(*(torch.from_numpy(np.array(arrays[name])).to(device) for name in ("static", "dynamic")))
        weights = {
            name: torch.from_numpy(np.array(arrays[f"integrator_{name}"])) for name in ("weight", "bias")
        }
        memory.integrator.load_state_dict(weights)
        return memory

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Returns copies of the memories and the integrator, keyed by their names in the store."""
        tensors = {"static": self.static, "dynamic": self.dynamic}
        tensors |= {f"integrator_{name}": value for name, value in self.integrator.state_dict().items()}
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}

    @property
    def vpc(self) -> int:
        """Number of clips per class."""
        return self.dynamic.shape[1] // MEMORIES_PER_VIDEO

    def __len__(self) -> int:
        """N, the number of clips."""
        return self.dynamic.shape[0] * self.vpc

    def labels(self, videos: Picks) -> Picks:
        """Returns the class of each clip."""
        return videos // self.vpc

    def render(self, videos: Picks, static_picks: Picks, dynamic_picks: Picks) -> Tensor:
        """Combines pairs of memories into clips.

        Args:
            videos: (n,) numbers of the clips, class by class.
            static_picks: (n,) the static memory that each clip uses, 0 or 1.
            dynamic_picks: (n,) the dynamic memory that each clip uses, 0 or 1.

        Returns:
            (n, T, 3, H, W) float32, differentiable with respect to the memories and the integrator.
        """
        classes = self.labels(videos)
        first = MEMORIES_PER_VIDEO * (videos % self.vpc)
        statics = classes * self.dynamic.shape[1] + first + static_picks
        places = on_device(np.stack([statics, classes, first + dynamic_picks]), self.static.device)
        frames = self.static[places[0]]
        motion = self.dynamic[places[1], places[2]].transpose(1, 2)
        repeated = frames[:, :, None].expand(-1, -1, motion.shape[2], -1, -1)
        clips: Tensor = self.integrator(torch.cat([repeated, motion], dim=1))
        return clips.transpose(1, 2)


class MemoryClips:
    """Clips with the memory pair picked for each one; implements `matching.LabelledClips`.

    Args:
        memory: the memories of all clips.
        videos: (n,) numbers of the clips.
        picks: (n, 2), which static and which dynamic memory each clip uses, 0 or 1.
    """

    def __init__(self, memory: StaticDynamicMemory, videos: Picks, picks: Picks) -> None:
        self._memory, self._videos, self._picks = memory, videos, picks
        self.labels = memory.labels(videos)

    def __len__(self) -> int:
        """n, the number of clips."""
        return len(self._videos)

    def render(self, part: slice = slice(None)) -> Tensor:
        """Returns clips (n, T, 3, H, W), all by default, without an autograd graph."""
        with torch.no_grad():
            return MemoryClips(self._memory, self._videos[part], self._picks[part])._joined()

    def pull_back(self, gradient: Tensor) -> None:
        """Accumulates the gradients of the dynamic memory and the integrator, given the clips' gradient."""
        torch.autograd.backward(self._joined(), gradient)

    def _joined(self) -> Tensor:
        return self._memory.render(self._videos, self._picks[:, 0], self._picks[:, 1])


class StaticDynamicClips:
    """Training batches from a static-dynamic store, with new memory pairs in every epoch.

    Args:
        path: path of the store.
        device: device of the batches.

    Attributes:
        classes: class names.

    Raises:
        DamagedStoreError: the memories are missing or damaged, or their shapes are inconsistent.
    """

    def __init__(self, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        with open_store(path) as store:
            self.classes = store.class_names
            arrays = store.native_arrays()
            try:
                _check_memories(arrays, store)
            except (KeyError, ValueError) as error:
                raise DamagedStoreError(
                    f"{path} contains native arrays that are not static-dynamic memories: {error}"
                ) from error
        with out_of_memory_named("use --device cpu"):
            self._memory = StaticDynamicMemory.of_arrays(arrays, self._device)

    def __len__(self) -> int:
        return len(self._memory)

    def batches(self, batch_size: int, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields every clip once, in random order: clips (N, T, C, H, W) float32 and labels (N,) int64."""
        draws = np.random.default_rng((seed, epoch))
        order = draws.permutation(len(self))
        picks = draws.integers(0, MEMORIES_PER_VIDEO, (len(self), 2))
        for start in range(0, len(order), batch_size):
            videos = order[start : start + batch_size]
            clips = MemoryClips(self._memory, videos, picks[videos])
            with full_float32():
                rendered = clips.render()
            yield rendered, on_device(clips.labels, self._device)


def _check_memories(arrays: dict[str, npt.NDArray[Any]], store: KeyFrameStore) -> None:
    """Raises KeyError or ValueError unless the arrays are memories that match the store's clips."""
    vpc, rest = divmod(len(store), len(store.class_names))
    if rest or not np.array_equal(store.labels, np.repeat(np.arange(len(store.class_names)), vpc)):
        raise ValueError("clips must be sorted by class, with the same number of clips per class")
    count, size = MEMORIES_PER_VIDEO * vpc, store.frame_shape[1:]
    wanted = {
        "static": (len(store.class_names) * count, 3, *size),
        "dynamic": (len(store.class_names), count, store.num_frames, 1, *size),
        "integrator_weight": (3, 4, 3, 3, 3),
        "integrator_bias": (3,),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ValueError(
                f"{name} must be float32 with shape {shape}, got {arrays[name].dtype} with shape "
                f"{arrays[name].shape}"
            )
