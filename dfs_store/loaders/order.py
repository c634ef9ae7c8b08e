"""Determines the order of clips in each epoch and on each replica from the seed and the epoch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["EpochOrder"]

_ORDER, _FLIP = 0, 1  # independent streams of random numbers


@dataclass(frozen=True)
class EpochOrder:
    """Orders N clips for every epoch.

    Attributes:
        num_clips: N.
        batch_size: B.
        shuffle: whether the order changes with the epoch.
        seed: seed for the order and flips, at least 0.
        drop_last: whether to drop a smaller last batch, and clips that cannot be shared equally.
        horizontal_flip: probability that a clip is flipped horizontally in an epoch.
        num_replicas: number of processes that share each epoch.
        rank: rank of this process.
    """

    num_clips: int
    batch_size: int
    shuffle: bool
    seed: int
    drop_last: bool
    horizontal_flip: float
    num_replicas: int
    rank: int

    @property
    def clips_per_replica(self) -> int:
        """The number of clips in an epoch on each replica."""
        if self.drop_last:
            return self.num_clips // self.num_replicas
        return -(-self.num_clips // self.num_replicas)

    @property
    def num_batches(self) -> int:
        """The number of batches in an epoch on each replica."""
        if self.drop_last:
            return self.clips_per_replica // self.batch_size
        return -(-self.clips_per_replica // self.batch_size)

    def clips(self, epoch: int) -> npt.NDArray[np.int64]:
        """Returns this replica's clips in an epoch, in order. They may repeat unless `drop_last` is set.

        As in torch's DistributedSampler, all replicas take clips in turn from one order. Its length is made
        a multiple of the number of replicas by repeating its first clips, or by truncating it (`drop_last`).
        """
        order = np.arange(self.num_clips)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch, _ORDER]).permutation(self.num_clips)
        common = np.resize(order, self.clips_per_replica * self.num_replicas)
        return common[self.rank :: self.num_replicas].astype(np.int64)

    def mirrored(self, epoch: int) -> npt.NDArray[np.bool_] | None:
        """Returns which clips are flipped horizontally in an epoch, (N,) bool, or None if none are.

        The draw is made per clip number, so that it does not depend on the replica or the position in the
        epoch.
        """
        if self.horizontal_flip == 0:
            return None
        coins = np.random.default_rng([self.seed, epoch, _FLIP]).random(self.num_clips)
        return coins < self.horizontal_flip
