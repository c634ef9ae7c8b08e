"""Trainable key frames: interpolation (Eq. 3), its adjoint, the SGD step and insertion."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfs_store.condense.engine.insertion.evidence import Evidence
from dfs_store.errors import ClipError, PositionsError
from dfs_store.interpolation import check_positions, matrix_of, neighbours
from dfs_store.loaders.transfers import on_device

__all__ = ["TrainableKeyFrames"]


class TrainableKeyFrames:
    """The key frames of N clips, one clip after another, as in the store.

    The gradient of a key frame is computed by the adjoint of Eq. 3 instead of autograd: insertion needs the
    gradient of every rebuilt frame anyway, so one backward pass to the rebuilt clips serves both purposes.

    Attributes:
        frames: (S, C, H, W) float32, all key frames.
        momentum: (S, C, H, W) float32, the velocity of SGD.
        labels: (N,) int64, class of each clip.
        positions: (S,) int64, time index of each key frame, 0-based.
        clips: (S,) int64, number of the clip to which each key frame belongs.
        inserted_at: (S,) int32, step of insertion, -1 for an initial key frame.
        evidence: insertion evidence for the N clips since the last test.
        num_frames: T, the number of frames per clip.
        device: device on which clips are rebuilt. `frames` and `momentum` stay in host memory if they are too
            large for the device.
    """

    def __init__(
        self,
        key_frames: Sequence[Tensor],
        positions: Sequence[npt.ArrayLike],
        labels: npt.ArrayLike,
        num_frames: int,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Concatenates the key frames of N clips.

        Args:
            key_frames: N tensors (K, C, H, W) float32 on one device.
            positions: N lists of K positions, see `dfs_store.interpolation.check_positions`.
            labels: (N,) class numbers.
            num_frames: T, the number of frames per clip.
            device: device on which clips are rebuilt.

        Raises:
            ClipError: the numbers of key frames, positions and labels differ.
            PositionsError: the positions of a clip are invalid.
        """
        checked = [check_positions(p, num_frames) for p in positions]
        self.labels: npt.NDArray[np.int64] = np.asarray(labels, dtype=np.int64)
        if not len(key_frames) == len(checked) == self.labels.size:
            raise ClipError(
                f"key_frames, positions and labels must have one entry per clip, "
                f"got {len(key_frames)}, {len(checked)} and {self.labels.size}"
            )
        for number, (frames, keys) in enumerate(zip(key_frames, checked, strict=True)):
            if frames.shape[0] != keys.size:
                raise ClipError(
                    f"clip {number} must have one position per key frame, got {frames.shape[0]} key frames "
                    f"and {keys.size} positions"
                )
        self.num_frames = num_frames
        self.device = torch.device(device)
        self.frames: Tensor = torch.cat(list(key_frames)).to(torch.float32)
        self.momentum: Tensor = torch.zeros_like(self.frames)
        self.positions: npt.NDArray[np.int64] = np.concatenate(checked)
        self.clips: npt.NDArray[np.int64] = np.repeat(np.arange(len(checked)), [p.size for p in checked])
        self.inserted_at: npt.NDArray[np.int32] = np.full(self.positions.size, -1, dtype=np.int32)
        self.evidence = Evidence(len(self), num_frames)
        self._index()

    def restore(
        self,
        frames: npt.NDArray[np.float32],
        momentum: npt.NDArray[np.float32],
        positions: npt.NDArray[np.int64],
        inserted_at: npt.NDArray[np.int32],
        counts: npt.NDArray[np.int64],
    ) -> None:
        """Restores a saved state of the same N clips.

        Args:
            frames: (S, C, H, W) float32, key frames.
            momentum: (S, C, H, W) float32, momentum of the key frames.
            positions: (S,) int64, positions of the key frames.
            inserted_at: (S,) int32, step at which each key frame was inserted.
            counts: (N,) int64, number of key frames of each clip.
        """
        home = self.frames.device
        self.frames, self.momentum = torch.from_numpy(frames).to(home), torch.from_numpy(momentum).to(home)
        self.positions, self.inserted_at = positions, inserted_at
        self.clips = np.repeat(np.arange(len(self)), counts)
        self._index()

    def __len__(self) -> int:
        """N, the number of clips."""
        return self.labels.size

    def _index(self) -> None:
        """Computes, once per insertion, the padded key-frame numbers and weights that rendering uses."""
        counts = np.bincount(self.clips, minlength=len(self))
        self.offsets: npt.NDArray[np.int64] = np.concatenate(([0], np.cumsum(counts)))
        shape = (len(self), self.num_frames)
        weights = np.zeros((*shape, int(counts.max())), dtype=np.float32)
        left, right = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for clip in range(len(self)):
            keys = self.clip_positions(clip)
            near = neighbours(keys, self.num_frames)
            left[clip], right[clip] = near.left, near.right
            weights[clip, :, : keys.size] = matrix_of(near, keys.size)
        number_in_clip = np.arange(self.positions.size) - self.offsets[self.clips]
        padded = np.zeros((len(self), weights.shape[2]), dtype=np.int64)
        padded[self.clips, number_in_clip] = np.arange(self.positions.size)
        home = self.frames.device
        self._padded = on_device(padded, home)
        self._packed = on_device(self.clips * weights.shape[2] + number_in_clip, self.device)
        self.weights: Tensor = on_device(weights, self.device)
        self.left: Tensor = on_device(left, self.device)
        self.right: Tensor = on_device(right, self.device)

    def clip_positions(self, clip: int) -> npt.NDArray[np.int64]:
        """Returns the (K,) positions of one clip."""
        return self.positions[self.offsets[clip] : self.offsets[clip + 1]]

    def clip_frames(self, clip: int) -> Tensor:
        """Returns a view of the (K, C, H, W) key frames of one clip."""
        return self.frames[self.offsets[clip] : self.offsets[clip + 1]]

    def render(self, part: slice = slice(None)) -> Tensor:
        """Rebuilds clips (Eq. 3), all by default. Returns (N, T, C, H, W) float32 on `device`."""
        weights, keys = self.weights[part], self.frames[self._padded[part]]
        if keys.device != self.device:
            keys = on_device(keys, self.device)
        keys = keys.flatten(2)
        return torch.bmm(weights, keys).view(*weights.shape[:2], *self.frames.shape[1:])

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Returns the gradient with respect to the key frames, by the adjoint of `render`.

        The gradient of a key frame is the sum of the rebuilt frames' gradients, weighted by the key frame's
        share in each.

        Args:
            gradient: (N, T, C, H, W), gradient of a scalar with respect to the rebuilt clips.

        Returns:
            (S, C, H, W) on the device of `frames`.
        """
        collected = torch.bmm(self.weights.transpose(1, 2), gradient.flatten(2))
        packed = collected.flatten(0, 1)[self._packed]
        return packed.view(self.frames.shape).to(self.frames.device)

    def step(self, gradient: Tensor, *, lr: float, momentum: float) -> None:
        """Takes one SGD step with heavy-ball momentum, like `torch.optim.SGD`.

        Args:
            gradient: (S, C, H, W), gradient with respect to the key frames, from `pull_back`.
            lr: learning rate.
            momentum: fraction of the previous velocity to keep.
        """
        self.momentum.mul_(momentum).add_(gradient)
        self.frames.add_(self.momentum, alpha=-lr)

    def frames_at(self, chosen: Sequence[tuple[int, int]]) -> Tensor:
        """Returns the key frames or interpolated frames (n, C, H, W) at (clip, position) pairs."""
        rows, weights = list[tuple[int, int]](), list[tuple[float, float]]()
        for clip, position in chosen:
            near = neighbours(self.clip_positions(clip), self.num_frames, times=[position])
            rows.append((self.offsets[clip] + near.left[0], self.offsets[clip] + near.right[0]))
            weights.append((1 - float(near.weight[0]), float(near.weight[0])))
        left, right = on_device(np.array(rows).T.copy(), self.frames.device)
        shares = on_device(np.array(weights, dtype=np.float32).T.copy(), self.frames.device)[
            ..., None, None, None
        ]
        return shares[0] * self.frames[left] + shares[1] * self.frames[right]

    def insert(self, chosen: Sequence[tuple[int, int]], step: int) -> None:
        """Turns interpolated frames into key frames.

        A new key frame starts from the interpolated value, so that the rebuilt clips do not change. Its
        momentum is zero. Existing key frames keep their order.

        Args:
            chosen: (clip, position) pairs without a key frame.
            step: the 0-based step, recorded in `inserted_at`.

        Raises:
            PositionsError: a position is outside the clip, already has a key frame, or is given twice.
        """
        if not chosen:
            return
        taken = set(zip(self.clips.tolist(), self.positions.tolist(), strict=True))
        for clip, position in chosen:
            if not 0 < position < self.num_frames - 1 or (clip, position) in taken:
                raise PositionsError(
                    f"cannot insert a key frame at position {position} of clip {clip}: the position "
                    "must be strictly between two adjacent key frames, which are at "
                    f"{self.clip_positions(clip).tolist()}"
                )
            if self.clip_positions(clip).size < 2:
                raise PositionsError(
                    f"cannot insert a key frame into clip {clip}: the clip has only one key frame, so none "
                    "of its frames is interpolated"
                )
            taken.add((clip, position))
        values = self.frames_at(chosen)
        clips = np.concatenate([self.clips, [clip for clip, _ in chosen]])
        positions = np.concatenate([self.positions, [position for _, position in chosen]])
        order = np.lexsort((positions, clips))
        moved = on_device(order, self.frames.device)
        # Allocate everything first: if memory runs out, nothing has changed.
        frames = torch.cat([self.frames, values])[moved]
        velocity = torch.cat([self.momentum, torch.zeros_like(values)])[moved]
        self.clips, self.positions = clips[order], positions[order]
        self.inserted_at = np.concatenate([self.inserted_at, np.full(len(chosen), step, np.int32)])[order]
        self.frames, self.momentum = frames, velocity
        self._index()
