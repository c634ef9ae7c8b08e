"""Copies a store into another container, dtype, compression or subset of classes."""

import os
from collections.abc import Sequence

import numpy as np

from dfs_store.errors import SettingsError
from dfs_store.format.quantization import Encoded
from dfs_store.format.spec import RESERVED_KEYS
from dfs_store.format.store import KeyFrameStore, open_store
from dfs_store.format.writer import StoreWriter
from dfs_store.names import did_you_mean

__all__ = ["copy_clip", "copy_store", "kept_classes"]


def copy_store(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    compression: str | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Copies a store clip by clip; the container follows the target's suffix.

    Without `dtype` the stored frames are copied bit by bit, so that Zarr to HDF5 and back is the identity.
    Every frame is compared with its checksum on the way. Native arrays go along as they are, unless a subset
    of classes is copied: which of their values belong to which class is known to their method alone. Groups
    that the format does not know stay behind.

    Args:
        source: the store to read.
        target: where the copy is to lie; may be the source itself, with `overwrite`.
        dtype: stored dtype of the copy; the source's when absent. Rounding errors of both add up.
        compression: of the copy: None, "zstd" (Zarr only) or "gzip".
        classes: names of the classes to keep, all when absent. Labels are numbered anew, in the
            source's order.
        overwrite: replace a store that is there.

    Raises:
        SettingsError: a class is not in the source, or an argument is outside its rule.
        DamagedStoreError: the source is damaged; nothing is left at the target.
        StoreNotFoundError, NotAStoreError, NewerFormatError: see `KeyFrameStore`.
        ClipError, OutputExistsError, OutputNotWritableError, DiskFullError: see `StoreWriter`.
    """
    with open_store(source) as store:
        kept = kept_classes(store, classes)
        labels = {store.class_names.index(name): number for number, name in enumerate(kept)}
        attributes = {key: value for key, value in store.attributes.items() if key not in RESERVED_KEYS}
        if classes is not None and "source_bytes" in (about := attributes.get("provenance") or {}):
            # Of the videos of all classes.
            attributes["provenance"] = {key: about[key] for key in about if key != "source_bytes"}
        with StoreWriter(
            target,
            num_frames=store.num_frames,
            frame_shape=store.frame_shape,
            class_names=kept,
            dtype=dtype or store.dtype,
            attributes=attributes,
            overwrite=overwrite,
            compression=compression,
        ) as writer:
            if classes is None and store.native_method is not None:
                writer.write_native(store.native_method, store.native_arrays())
            for clip in np.flatnonzero(np.isin(store.labels, list(labels))).tolist():
                copy_clip(store, writer, clip, labels[int(store.labels[clip])], dtype or store.dtype)


def copy_clip(
    store: KeyFrameStore,
    writer: StoreWriter,
    clip: int,
    label: int,
    dtype: str,
    *,
    with_steps: bool = True,
) -> None:
    """Appends a clip of a store to another, bit by bit where both have the same dtype.

    Args:
        store: where it is read.
        writer: of the other store.
        clip: its number.
        label: of the copy.
        dtype: of the other store.
        with_steps: whether `inserted_at` goes along, where the store has it.

    Raises:
        DamagedStoreError, ClipError, DiskFullError, OutputNotWritableError: as `copy_store`.
    """
    positions, steps = store.positions(clip), store.inserted_at(clip) if with_steps else None
    if dtype != store.dtype:
        writer.append(store.key_frames(clip), positions, label, steps)
        return
    start, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    stored = Encoded(
        store.stored_frames(start, stop),
        None if store.scale is None else store.scale[start:stop],
        None if store.zero is None else store.zero[start:stop],
    )
    writer.append_stored(stored, positions, label, steps)


def kept_classes(store: KeyFrameStore, classes: Sequence[str] | None) -> list[str]:
    """Returns the names of the classes to keep, in the store's order; raises SettingsError for others."""
    if classes is None:
        return store.class_names
    wanted = {classes} if isinstance(classes, str) else set(classes)
    unknown = sorted(wanted - set(store.class_names))
    if unknown:
        raise SettingsError(
            f"classes must be names of the store's classes ({', '.join(store.class_names)}), "
            f"got {', '.join(unknown)}{did_you_mean(unknown[0], store.class_names)}"
        )
    return [name for name in store.class_names if name in wanted]
