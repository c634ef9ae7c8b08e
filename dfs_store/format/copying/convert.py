"""Copies a store, or some of its clips, to a different container, dtype, encoding or compression."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.format.coded.encoding import gives_quality, parse_encoding
from dfs_store.format.coded.span import levels_that_span
from dfs_store.format.quantization import Encoded
from dfs_store.format.source_paths import portable, rebased
from dfs_store.format.spec import RESERVED_KEYS
from dfs_store.format.store import KeyFrameStore, open_store
from dfs_store.format.writer import StoreWriter
from dfs_store.names import did_you_mean

__all__ = ["copy_clip", "copy_store", "kept_classes", "kept_clips", "soft_label_of", "stored_alike"]


def copy_store(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    encoding: str | None = None,
    compression: str | None = None,
    classes: Sequence[str] | None = None,
    without: Sequence[int] = (),
    soft_labels: npt.NDArray[np.floating[Any]] | None = None,
    overwrite: bool = False,
    for_others: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Copies a store clip by clip. The suffix of the target selects the container.

    If neither `dtype` nor `encoding` is given, frames are copied bit for bit, so a copy from Zarr to HDF5 and
    back is identical. Every frame is compared with its checksum. Native arrays are copied unchanged, but only
    if all clips are copied, because only the method knows which values belong to which clips. Soft labels
    keep the columns of the remaining classes. Groups that the format does not define are not copied.

    Args:
        source: the store to copy.
        target: path of the copy. With `overwrite`, it may be the source itself.
        dtype: stored dtype of the copy; the source's if None. The rounding errors of both dtypes add up.
        encoding: encoding of key frames as image files, "webp[:QUALITY]" or "avif[:QUALITY]", or "none" to
            store numbers. If both `encoding` and `dtype` are None, the source's encoding is kept. Image files
            that already have the encoding are copied unless a quality is given.
        compression: compression of the copy: None, "zstd" (Zarr only) or "gzip".
        classes: names of the classes to keep; all if None. Labels are renumbered in the source's order.
        without: numbers of the clips to omit. The remaining clips keep their order.
        soft_labels: soft labels to store instead of the source's, (N, classes) for all clips and classes of
            the source.
        overwrite: whether to replace an existing store.
        for_others: whether to reduce local paths in the provenance to their last part, so that the copy can
            be published.
        on_progress: function called with the number of clips copied so far and their total number.

    Raises:
        SettingsError: a class is not in the source, or an argument is invalid.
        DamagedStoreError: the source is damaged; nothing is left at the target.
        StoreNotFoundError, NotAStoreError, NewerFormatError: see `KeyFrameStore`.
        ClipError, OutputExistsError, OutputNotWritableError, DiskFullError: see `StoreWriter`.
    """
    with open_store(source) as store:
        kept = kept_classes(store, classes)
        labels = {store.class_names.index(name): number for number, name in enumerate(kept)}
        clips = [clip for clip in kept_clips(store, without) if int(store.labels[clip]) in labels]
        if not clips:
            raise SettingsError(f"{store.path}: no clips are left; keep at least one clip")
        attributes = {key: value for key, value in store.attributes.items() if key not in RESERVED_KEYS}
        if len(clips) < len(store):
            attributes["provenance"] = _subset_provenance(store, clips)
        about = attributes.get("provenance")
        attributes["provenance"] = portable(about) if for_others else rebased(about, store.path, target)
        stored = _stored_as(store, dtype, encoding)
        attributes["provenance"] = _after_encoding(attributes.get("provenance"), store, stored, encoding)
        with StoreWriter(
            target,
            num_frames=store.num_frames,
            frame_shape=store.frame_shape,
            class_names=kept,
            attributes=attributes,
            overwrite=overwrite,
            compression=compression,
            **stored,
        ) as writer:
            if len(clips) == len(store) and classes is None and store.native_method is not None:
                writer.write_native(store.native_method, store.native_arrays())
            for number, clip in enumerate(clips, start=1):
                copy_clip(
                    store,
                    writer,
                    clip,
                    labels[int(store.labels[clip])],
                    soft_label=soft_label_of(store, clip, kept, soft_labels),
                    encode_again=gives_quality(encoding),
                )
                if on_progress is not None:
                    on_progress(number, len(clips))


def _stored_as(store: KeyFrameStore, dtype: str | None, encoding: str | None) -> dict[str, Any]:
    if encoding is None and dtype is None:
        return stored_alike(store)
    wanted = parse_encoding(encoding)
    if wanted is None:
        return {"dtype": dtype or store.dtype}
    levels = store.levels or levels_that_span(
        (store.key_frames(clip) for clip in range(len(store))), store.normalization
    )
    return {"dtype": dtype, "encoding": encoding, "levels": levels}


def _after_encoding(
    provenance: Any,  # noqa: ANN401 - of any store
    store: KeyFrameStore,
    stored: Mapping[str, Any],
    encoding: str | None,
) -> Any:  # noqa: ANN401
    wanted = parse_encoding(stored.get("encoding"))
    copied = wanted is not None and wanted.name == store.frame_encoding and not gives_quality(encoding)
    if store.frame_encoding is None or copied or not isinstance(provenance, dict):
        return provenance
    about = {key: value for key, value in provenance.items() if key != "frame_encoding"}
    if wanted is not None:  # remove errors measured on the previous files
        about.pop("fit", None)
        if isinstance(sources := about.get("sources"), list):
            about["sources"] = [
                {key: source[key] for key in source if key != "psnr"} if isinstance(source, dict) else source
                for source in sources
            ]
    return about


def _subset_provenance(store: KeyFrameStore, clips: Sequence[int]) -> dict[str, Any]:
    about = dict(store.provenance)
    about.pop("source_bytes", None)
    sources = about.get("sources")
    if isinstance(sources, list) and len(sources) == len(store):
        about["sources"] = [sources[clip] for clip in clips]
    return about


def stored_alike(store: KeyFrameStore) -> dict[str, Any]:
    """Returns arguments for a `StoreWriter` to which the store's clips can be copied bit for bit."""
    if store.frame_encoding is None:
        return {"dtype": store.dtype}
    return {"encoding": store.frame_encoding, "levels": store.levels}


def copy_clip(
    store: KeyFrameStore,
    writer: StoreWriter,
    clip: int,
    label: int,
    *,
    with_steps: bool = True,
    soft_label: npt.ArrayLike | None = None,
    encode_again: bool = False,
) -> None:
    """Appends a clip to another store, bit for bit if both stores use the same dtype or encoding.

    Args:
        store: the store to read.
        writer: writer of the other store.
        clip: number of the clip.
        label: label of the copy.
        with_steps: whether to copy `inserted_at` if the store has it.
        soft_label: soft label of the copy, see `soft_label_of`.
        encode_again: whether to encode key frames again, for a different quality, instead of copying files.

    Raises:
        DamagedStoreError, ClipError, DiskFullError, OutputNotWritableError: see `copy_store`.
    """
    positions, steps = store.positions(clip), store.inserted_at(clip) if with_steps else None
    if not encode_again and writer.takes_files(store.frame_encoding, store.levels):
        writer.append_encoded(store.coded_clip(clip), positions, label, steps, soft_label)
        return
    if writer.encoding is not None or writer.dtype != store.dtype:
        writer.append(store.key_frames(clip), positions, label, steps, soft_label)
        return
    start, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    stored = Encoded(
        store.stored_frames(start, stop),
        None if store.scale is None else store.scale[start:stop],
        None if store.zero is None else store.zero[start:stop],
    )
    writer.append_stored(stored, positions, label, steps, soft_label)


def soft_label_of(
    store: KeyFrameStore,
    clip: int,
    class_names: Sequence[str],
    soft_labels: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.floating[Any]] | None:
    """Returns the soft label of a clip for the given classes, (classes,).

    Returns None if the store has no soft labels or lacks one of the classes.

    Args:
        store: the store that contains the clip.
        clip: number of the clip.
        class_names: the class names in the order of the returned values.
        soft_labels: soft labels to use instead of the store's, (N, classes of the store).
    """
    soft_labels = store.soft_labels if soft_labels is None else soft_labels
    if soft_labels is None or not set(class_names) <= set(store.class_names):
        return None
    columns = {name: column for column, name in enumerate(store.class_names)}
    chosen: npt.NDArray[np.floating[Any]] = soft_labels[clip, [columns[name] for name in class_names]]
    return chosen


def kept_classes(store: KeyFrameStore, classes: Sequence[str] | None) -> list[str]:
    """Returns the names of the classes to keep, in the store's order.

    Raises:
        SettingsError: the store does not have one of the classes.
    """
    if classes is None:
        return store.class_names
    wanted = {classes} if isinstance(classes, str) else set(classes)
    unknown = sorted(wanted - set(store.class_names))
    if unknown:
        raise SettingsError(
            f"classes must be classes of the store ({', '.join(store.class_names)}), "
            f"got {', '.join(unknown)}{did_you_mean(unknown[0], store.class_names)}"
        )
    return [name for name in store.class_names if name in wanted]


def kept_clips(store: KeyFrameStore, without: Sequence[int]) -> list[int]:
    """Returns the numbers of all clips except those in `without`, in order.

    Raises:
        SettingsError: there is no clip with one of the numbers.
    """
    unknown = [number for number in without if not 0 <= number < len(store)]
    if unknown:
        raise SettingsError(f"clips to skip must be clip numbers in 0..{len(store) - 1}, got {unknown[0]}")
    left_out = set(without)
    return [clip for clip in range(len(store)) if clip not in left_out]
