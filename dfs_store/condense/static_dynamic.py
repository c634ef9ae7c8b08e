"""Static and dynamic memories (Wang et al., CVPR 2024): frames without motion, motion without colour.

A video is a pair of one static and one dynamic memory of its class, joined by a convolution that all share.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["MEMORIES_PER_VIDEO", "METHOD", "MemoryClips", "StaticDynamicMemory", "memory_bytes"]

METHOD = "static-dynamic"
# Of each kind: video j of a class is made from its memories 2j and 2j+1.
MEMORIES_PER_VIDEO = 2

Picks = npt.NDArray[np.int64]


def memory_bytes(num_classes: int, vpc: int, num_frames: int, frame_shape: tuple[int, int, int]) -> int:
    """Returns the bytes of both memories and of the integrator, the storage that the paper counts."""
    channels, height, width = frame_shape
    values = num_classes * MEMORIES_PER_VIDEO * vpc * height * width * (channels + num_frames)
    return 4 * (values + 3 * 4 * 27 + 3)


class StaticDynamicMemory:
    """The memories of all classes, and what joins them.

    Attributes:
        static: (classes * M, 3, H, W) float32, M = 2 * vpc memories of each class, class after class.
        dynamic: (classes, M, T, 1, H, W) float32.
        integrator: the shared Conv3d from 4 channels (static repeated in time, dynamic) to 3.
    """

    def __init__(self, static: Tensor, dynamic: Tensor) -> None:
        """Takes the memories; the integrator's weights are PyTorch's, drawn from its global generator."""
        self.static, self.dynamic = static, dynamic
        self.integrator = nn.Conv3d(4, 3, 3, padding=1).to(static.device)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.float32]], device: torch.device
    ) -> "StaticDynamicMemory":
        """Makes memories of what `arrays` gave.

        Raises:
            KeyError, RuntimeError: an array is missing or of another shape.
        """
        memory = cls(*(torch.from_numpy(np.array(arrays[name])).to(device) for name in ("static", "dynamic")))
        weights = {
            name: torch.from_numpy(np.array(arrays[f"integrator_{name}"])) for name in ("weight", "bias")
        }
        memory.integrator.load_state_dict(weights)
        return memory

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Returns all that clips are made from, by the names of the store's native arrays."""
        tensors = {"static": self.static, "dynamic": self.dynamic}
        tensors |= {f"integrator_{name}": value for name, value in self.integrator.state_dict().items()}
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}

    @property
    def vpc(self) -> int:
        """Videos per class."""
        return self.dynamic.shape[1] // MEMORIES_PER_VIDEO

    def __len__(self) -> int:
        """N, the number of videos."""
        return self.dynamic.shape[0] * self.vpc

    def labels(self, videos: Picks) -> Picks:
        """Returns the class of each video."""
        return videos // self.vpc

    def render(self, videos: Picks, static_picks: Picks, dynamic_picks: Picks) -> Tensor:
        """Joins pairs of memories; differentiable.

        Args:
            videos: (n,) numbers of videos, class after class.
            static_picks: (n,) which of its static memories each takes, 0 or 1.
            dynamic_picks: (n,) likewise.

        Returns:
            (n, T, 3, H, W) float32.
        """
        classes = self.labels(videos)
        first = MEMORIES_PER_VIDEO * (videos % self.vpc)
        statics = torch.from_numpy(classes * self.dynamic.shape[1] + first + static_picks)
        dynamics = torch.from_numpy(first + dynamic_picks)
        device = self.static.device
        frames = self.static[statics.to(device)]
        motion = self.dynamic[torch.from_numpy(classes).to(device), dynamics.to(device)].transpose(1, 2)
        repeated = frames[:, :, None].expand(-1, -1, motion.shape[2], -1, -1)
        clips: Tensor = self.integrator(torch.cat([repeated, motion], dim=1))
        return clips.transpose(1, 2)


class MemoryClips:
    """Some videos with the pairs picked for them (see `dfs_store.condense.matching.Rendered`)."""

    def __init__(self, memory: StaticDynamicMemory, videos: Picks, picks: Picks) -> None:
        """Takes (n,) numbers of videos and (n, 2) picks, static and dynamic."""
        self._memory, self._videos, self._picks = memory, videos, picks
        self.labels = memory.labels(videos)

    def __len__(self) -> int:
        """n, the number of clips."""
        return len(self._videos)

    def render(self) -> Tensor:
        """Makes the clips, (n, T, 3, H, W), without a graph."""
        with torch.no_grad():
            return self._joined()

    def pull_back(self, gradient: Tensor) -> None:
        """Adds to the gradients of dynamic memory and integrator, given that of the clips."""
        torch.autograd.backward(self._joined(), gradient)

    def _joined(self) -> Tensor:
        return self._memory.render(self._videos, self._picks[:, 0], self._picks[:, 1])
