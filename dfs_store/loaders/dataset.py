"""DFSDataset: a store's clips as a map-style dataset for any PyTorch DataLoader."""

import operator
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate, get_worker_info

from dfs_store.byte_sizes import mebibytes
from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore, open_store
from dfs_store.format.io.place import Place, locate
from dfs_store.loaders.batching.batches import BatchRebuilder
from dfs_store.loaders.batching.buffers import BatchBuffers, Workspace, fresh_memory
from dfs_store.loaders.batching.packed import PackedDataset
from dfs_store.loaders.batching.passing import PassedTable
from dfs_store.loaders.batching.tables import KeyFrameTable
from dfs_store.loaders.checks import check_whole_number
from dfs_store.loaders.collate import rebuilt_clips
from dfs_store.loaders.normalization import NormalizationOption, parse_normalization
from dfs_store.loaders.rebuild import Layout
from dfs_store.loaders.sources import OnProgress, OpenStores
from dfs_store.loaders.transforms import transform_clip
from dfs_store.names import counted

__all__ = ["IN_MEMORY_LIMIT_BYTES", "DFSDataset"]

IN_MEMORY_LIMIT_BYTES = 2**30
# Attributes derived from the stores and options, which unpickling a dataset recomputes.
_DERIVED = frozenset({
    "_source", "_spaces", "_table", "_rebuilder", "_buffers", "_workspace", "_soft_labels",
    "classes", "class_to_idx", "targets", "frame_shape", "normalization", "num_frames", "in_memory",
})  # fmt: skip
StorePath: TypeAlias = str | os.PathLike[str]
Target: TypeAlias = Literal["hard", "soft"]


class DFSDataset(Dataset[tuple[Any, Any]]):
    """Labelled clips rebuilt on the fly from the key frames of a store.

    ``dataset[i]`` is ``(clip, label)``: a float32 tensor (C, T, H, W) or (T, C, H, W), and an int or a soft
    label (after `transform` and `target_transform`). ``dataset[[i, j]]`` is ``(clips, labels)``, a batch of
    two items, for a `DataLoader` with ``batch_size=None`` and a `BatchSampler`.

    A `DataLoader` requests whole batches. The clips of a batch share one block of memory, which torch's
    default collate function uses as the batch. The memory is reused once nothing refers to it any more.
    Values are never clamped, because trained key frames may deliberately exceed the pixel range.

    The dataset works in forked and spawned worker processes: only its paths and options are pickled, and
    each process opens the store itself. Workers share the key frames in memory; before the first worker is
    spawned, they are moved to shared memory. Closing the dataset is optional.

    Args:
        path: path or URL of a store (see docs/remote.md), or several stores to join in this order.
            Joined stores must have the same classes, frame shape, number of frames (unless `num_frames` is
            given) and, with `normalization` "stored", the same normalisation.
        layout: "CTHW" or "TCHW".
        num_frames: M, the number of frames in a rebuilt clip, evenly spaced from the first to the last.
            Defaults to the stored number T. If M is 1, the frame is taken from the middle of the clip.
        transform: called with each clip as a float32 `torchvision.tv_tensors.Video` (T, C, H, W), normalised
            as `normalization` specifies. Must return a four-dimensional tensor in the same order.
        target_transform: called with each label. Cannot be used with soft labels.
        in_memory: True to read all key frames at once and keep them in their stored dtype, False to read only
            the key frames of each batch. None reads all of them if they need at most `IN_MEMORY_LIMIT_BYTES`
            (1 GiB). For WebP and AVIF files, the size of the decoded uint8 frames counts. True decodes the
            files once, in `torch.get_num_threads()` threads. False decodes them for each batch, and each
            process caches up to 64 MiB of decoded frames.
        normalization: "stored" for the stored values; None for pixels in [0, 1]; or (mean, std) or {"mean":
            mean, "std": std} for (pixel - mean) / std, where mean and std are a number or one number per
            channel. If a store has no normalisation, its values are pixels.
        target: "hard" for a clip's class, an int; or "soft" for a teacher's logits, (classes,) float32,
            which all stores must contain (`dfs condense --soft-labels`).
        on_progress: called while all key frames are read into memory, with the number read so far and the
            total. Not called in worker processes.

    Attributes:
        classes: class names in the order of their labels.
        class_to_idx: label of each class name.
        targets: class of each clip, before `target_transform`, even with soft labels.
        target: the argument.
        num_frames: M.
        frame_shape: (C, H, W).
        layout: the argument.
        in_memory: whether all key frames are in memory.
        normalization: {"mean": [...], "std": [...]} of the values in the clips, or None for pixels.

    Raises:
        SettingsError: an option is invalid, or the stores cannot be joined.
        StoreNotFoundError, NotAStoreError, DamagedStoreError, NewerFormatError: see `open_store`.
        StoreUnreachableError, MissingDependencyError: see `open_store`, for a URL.
    """

    def __init__(
        self,
        path: StorePath | Sequence[StorePath],
        *,
        layout: Layout = "CTHW",
        num_frames: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        in_memory: bool | None = None,
        normalization: NormalizationOption = "stored",
        target: Target = "hard",
        on_progress: OnProgress | None = None,
    ) -> None:
        if layout not in get_args(Layout):
            raise SettingsError(f'layout must be "CTHW" or "TCHW", got {layout!r}')
        if in_memory not in (None, True, False):
            raise SettingsError(f"in_memory must be True, False or None (decide by size), got {in_memory!r}")
        if target not in get_args(Target):
            raise SettingsError(f'target must be "hard" or "soft", got {target!r}')
        if target == "soft" and target_transform is not None:
            raise SettingsError(
                'target_transform applies to classes, so it cannot be used with target="soft"; leave one out'
            )
        self._num_frames_option = num_frames
        self._in_memory_option = in_memory
        self._normalization_option = normalization
        self.layout: Layout = layout
        self.target: Target = target
        self.transform = transform
        self.target_transform = target_transform
        self._set_up(OpenStores([open_store(part) for part in _places(path)]), on_progress=on_progress)

    def _set_up(
        self,
        source: OpenStores,
        table: KeyFrameTable | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Sets the attributes derived from the stores and options, and loads the key frames if needed."""
        self._source = source
        wanted = parse_normalization(self._normalization_option, source.frame_shape[0])
        if wanted == "stored":
            source.check_agreement(
                "normalization",
                lambda store: store.normalization,
                "; pass normalization=(mean, std), or None for pixels",
            )
            self._spaces = source.spaces
        else:
            self._spaces = [wanted] * len(source.stores)
        space = self._spaces[0]
        self.normalization = None if space is None else space.as_dict()
        self.num_frames = _num_outputs(self._num_frames_option, source)
        self.classes = source.class_names
        self.class_to_idx = {name: label for label, name in enumerate(source.class_names)}
        self.targets: list[int] = source.labels.tolist()
        self._soft_labels = torch.from_numpy(source.soft_labels()) if self.target == "soft" else None
        self.frame_shape = source.frame_shape
        fits = source.key_frame_bytes <= IN_MEMORY_LIMIT_BYTES
        self.in_memory = fits if self._in_memory_option is None else bool(self._in_memory_option)
        if table is None and self.in_memory:
            table = source.load(source.all_spans(), self._spaces, keep=False, on_progress=on_progress)
        self._table = table
        self._rebuilder = self.rebuilder(torch.device("cpu"), self._table)
        self._buffers = BatchBuffers(torch.device("cpu"), torch.float32)
        self._workspace = Workspace()

    def rebuilder(self, device: torch.device, table: KeyFrameTable | None) -> BatchRebuilder:
        """Returns a rebuilder for batches of this dataset on a device. It applies no transform."""
        return BatchRebuilder(self._source, self._spaces, self.num_frames, self.layout, device, table)

    @property
    def stores(self) -> list[KeyFrameStore]:
        """The open stores in the order of their clips."""
        return list(self._source.stores)

    @property
    def key_frame_table(self) -> KeyFrameTable | None:
        """All key frames in memory, or None if they are read for each batch."""
        return self._table

    def packed(self, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> PackedDataset:
        """Returns a form of the dataset whose DataLoader workers send key frames instead of clips.

        Args:
            device: device on which `PackedDataset.rebuild` rebuilds clips.
            dtype: floating-point dtype of the clips; float32 if None.

        Raises:
            SettingsError: an option is invalid, or the dataset has a per-clip `transform`.
        """
        return PackedDataset(self, device, dtype)

    def labels_for_batches(self, user: str, remedy: str) -> Tensor:
        """Returns the labels of all clips, for a class that rebuilds whole batches.

        Args:
            user: name of that class in error messages.
            remedy: alternative to a per-clip transform, for error messages.

        Returns:
            (N,) int64 after `target_transform`, or soft labels (N, classes) float32.

        Raises:
            SettingsError: the dataset has a per-clip `transform`, or `target_transform` does not return a
                whole number.
        """
        if self.transform is not None:
            raise SettingsError(
                f"{user} rebuilds whole batches and cannot apply the dataset's per-clip transform "
                f"({self.transform!r}); create the dataset without it and {remedy}, "
                "or use torch.utils.data.DataLoader"
            )
        if self._soft_labels is not None:
            return self._soft_labels
        labels = torch.tensor(self.targets, dtype=torch.int64, device="cpu")
        if self.target_transform is None:
            return labels
        # Once per class, since a target transform depends only on the label.
        outputs = [
            check_whole_number(self.target_transform(label), f"target_transform({label}) in a {user}")
            for label in range(len(self.classes))
        ]
        return torch.tensor(outputs, dtype=torch.int64, device="cpu")[labels]

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int | list[int] | tuple[int, ...]) -> tuple[Any, Any]:
        if isinstance(index, list | tuple):
            # A DataLoader with batch_size=None and a BatchSampler expects a collated batch.
            return cast(tuple[Any, Any], default_collate(self.__getitems__(index)))
        clips = self.clip_numbers([index])
        with torch.inference_mode(mode=False):
            out = torch.empty(1, *self._rebuilder.clip_shape, dtype=torch.float32, device="cpu")
        clip = self._rebuilder.rebuild(clips, out, Workspace())[0]
        return self._transformed(clip), self._target(int(clips[0]))

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Returns several (clip, label) pairs. Their clips are rebuilt in one block of memory.

        torch's default collate function uses that memory as the batch, without copying.

        Raises:
            IndexError: an index is outside -N..N-1.
            SettingsError: an index is not a whole number.
        """
        clips = self.clip_numbers(indices)
        if clips.size == 0:
            return []
        shape = (len(clips), *self._rebuilder.clip_shape)
        # Workers do not recycle memory: it is shared with the main process, which releases it.
        out = self._buffers.take(shape) if get_worker_info() is None else fresh_memory(shape, torch.float32)
        batch = self._rebuilder.rebuild(clips, out, self._workspace)
        parts = rebuilt_clips(batch) if self.transform is None else batch.unbind()
        return [
            (self._transformed(clip), self._target(number))
            for clip, number in zip(parts, clips.tolist(), strict=True)
        ]

    def _transformed(self, clip: Tensor) -> Any:  # noqa: ANN401 - a transform may return any tensor type
        return clip if self.transform is None else transform_clip(self.transform, clip, self.layout)

    def _target(self, clip: int) -> Any:  # noqa: ANN401 - a target transform may return anything
        if self._soft_labels is not None:
            return self._soft_labels[clip].clone()  # the caller may modify it or send it to another process
        label = self.targets[clip]
        return label if self.target_transform is None else self.target_transform(label)

    def clip_numbers(self, indices: Sequence[int]) -> npt.NDArray[np.int64]:
        """Converts indices, which may be negative, to clip numbers in 0..N-1, (B,) int64.

        Raises:
            IndexError: an index is outside -N..N-1.
            SettingsError: an index is not a whole number.
        """
        return np.array([self._clip_number(index) for index in indices], dtype=np.int64)

    def _clip_number(self, index: object) -> int:
        try:
            number = operator.index(cast(int, index))
        except TypeError:
            raise SettingsError(
                f"a clip index must be a whole number, got {index!r}; for several clips use "
                "torch.utils.data.Subset or dataset.__getitems__([...])"
            ) from None
        if not -len(self) <= number < len(self):
            raise IndexError(
                f"clip index {number} is not in {-len(self)}..{len(self) - 1}; the dataset has "
                f"{counted(len(self), 'clip')}"
            )
        return number % len(self)

    def close(self) -> None:
        """Closes the stores. Key frames in memory remain usable."""
        self._source.close()

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _DERIVED}
        return {**state, "_stores": self._source.stores, "_passed": PassedTable(self._table)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        stores, passed = state.pop("_stores"), state.pop("_passed")
        vars(self).update(state)
        self._set_up(OpenStores(stores), passed.table)

    def __repr__(self) -> str:
        source = self._source
        frame = "x".join(str(side) for side in self.frame_shape)
        decoded = f", {mebibytes(source.key_frame_bytes)} decoded" if source.is_coded else ""
        lines = [
            f"Number of datapoints: {len(self)}",
            f"Root location: {', '.join(str(store.path) for store in source.stores)}",
            f"Classes: {len(self.classes)}",
            f"Clips: {self.num_frames} frames of {frame}, layout {self.layout}",
            f"Key frames: {source.num_key_frames} ({source.stored_as}{decoded}), "
            f"{'in memory' if self.in_memory else 'read from disk'}",
        ]
        transforms = {"transform": self.transform, "target_transform": self.target_transform}
        lines += [f"{name}: {value!r}" for name, value in transforms.items() if value is not None]
        lines = [line.replace("\n", "\n    ") for line in lines]
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])

    def _repr_html_(self) -> str:
        """Returns HTML for a notebook, with the properties and a small contact sheet of the first store."""
        from dfs_store.pictures.notebook import store_html

        return store_html(self._source.stores[0], repr(self).splitlines())


def _places(path: StorePath | Sequence[StorePath]) -> list[Place]:
    if isinstance(path, str | os.PathLike):
        return [locate(path).absolute()]
    if not isinstance(path, Sequence) or not all(isinstance(part, str | os.PathLike) for part in path):
        raise SettingsError(f"path must be a store path or a list of store paths, got {path!r}")
    if not path:
        raise SettingsError("path must contain at least one store, got an empty list")
    return [locate(part).absolute() for part in path]


def _num_outputs(option: object, source: OpenStores) -> int:
    if option is None:
        source.check_agreement(
            "num_frames",
            lambda store: store.num_frames,
            "; pass num_frames=... to rebuild all clips with the same number of frames",
        )
        return int(source.num_frames[0])
    return check_whole_number(option, "num_frames", least=1)
