"""Which clips come when: the order of an epoch and its replicas, a function of seed and epoch alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["EpochOrder"]

_ORDER, _FLIP = 0, 1  # streams of random numbers that must not depend on each other


@dataclass(frozen=True)
class EpochOrder:
    """Orders N clips anew for every epoch.

    Attributes:
        num_clips: N.
        batch_size: B.
        shuffle: whether the order changes with the epoch.
        seed: at least 0.
        drop_last: leaves out clips that do not fill the last batch, or not every replica.
        horizontal_flip: probability that a clip is turned left to right in an epoch.
        num_replicas: processes that share each epoch.
        rank: which of them this is.
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
        """Clips of an epoch on each replica, the same on all."""
        if self.drop_last:
            return self.num_clips // self.num_replicas
        return -(-self.num_clips // self.num_replicas)

    @property
    def num_batches(self) -> int:
        """Batches of an epoch on each replica."""
        if self.drop_last:
            return self.clips_per_replica // self.batch_size
        return -(-self.clips_per_replica // self.batch_size)

    def clips(self, epoch: int) -> npt.NDArray[np.int64]:
        """Returns this replica's clips of an epoch, in order; without `drop_last` some may come twice.

        Replicas take turns in one common order, as in torch's DistributedSampler: it is filled up from
        its start (or cut off) to a multiple of the number of replicas.
        """
        order = np.arange(self.num_clips)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch, _ORDER]).permutation(self.num_clips)
        common = np.resize(order, self.clips_per_replica * self.num_replicas)
        return common[self.rank :: self.num_replicas].astype(np.int64)

    def mirrored(self, epoch: int) -> npt.NDArray[np.bool_] | None:
        """Returns which of all clips are turned left to right in an epoch, (N,); None for none.

        A coin per clip number, so that neither replicas nor the place in the epoch change it.
        """
        if self.horizontal_flip == 0:
            return None
        coins = np.random.default_rng([self.seed, epoch, _FLIP]).random(self.num_clips)
        return coins < self.horizontal_flip
