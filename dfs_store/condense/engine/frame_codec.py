"""The store's own encoding inside the training loop: the network sees what the image files decode to.

The gradient passes straight through the encoding, which has none of its own. So the key frames keep what the
encoder would round away, and learn to put what matters where it survives.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from dfs_store.format.coded.encoder import encode_levels, encoding_threads
from dfs_store.format.coded.encoding import FrameEncoding
from dfs_store.format.coded.levels import Levels, pixel_levels
from dfs_store.format.quantization import decode
from dfs_store.format.spec import CODED_CHANNELS

__all__ = ["FrameCodec", "trained_levels"]

# Pixels that level 0 and 255 of trained key frames stand for. They leave [0, 1], and a wider range costs
# contrast.
_LOW, _HIGH = -0.5, 1.5


class FrameCodec:
    """Encodes and decodes key frames.

    Args:
        encoding: of the store.
        levels: of the store.
    """

    def __init__(self, encoding: FrameEncoding, levels: Levels) -> None:
        self._encoding, self._levels = encoding, levels
        top = levels.zero + levels.scale * 255
        self._least, self._most = (torch.from_numpy(part)[:, None, None] for part in (levels.zero, top))

    def decoded(self, clips: Sequence[Tensor]) -> Tensor:
        """Returns the key frames of clips as a reader of the store gets them.

        Args:
            clips: (K, 3, H, W) float32 each, on any device.

        Returns:
            (S, 3, H, W) float32 on the clips' device, one clip after the other.
        """
        scale, zero = self._levels.scale[None], self._levels.zero[None]

        def of(clip: Tensor) -> Tensor:
            _, decoded = encode_levels(self._levels.to_levels(clip.cpu().numpy()), self._encoding)
            return torch.from_numpy(decode(decoded, scale, zero))

        with ThreadPoolExecutor(encoding_threads()) as pool:
            return torch.cat(list(pool.map(of, clips))).to(clips[0].device)

    def keep_in_range(self, frames: Tensor) -> None:
        """Clamps key frames (S, 3, H, W), in place, to the values that levels can stand for."""
        least, most = self._least.to(frames.device), self._most.to(frames.device)
        torch.minimum(torch.maximum(frames, least, out=frames), most, out=frames)


def trained_levels(normalization: Mapping[str, Sequence[float]] | None) -> Levels:
    """Returns what the levels of trained key frames stand for, under the normalization of their values."""
    return pixel_levels(normalization, CODED_CHANNELS, _LOW, _HIGH)
