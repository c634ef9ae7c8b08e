"""Copies the intact clips of a damaged store into a new store, and reports the other clips."""

import os

from dfs_store.errors import DamagedStoreError
from dfs_store.format.checks.examine import Examination, examine
from dfs_store.format.checks.verify import Finding, clips_of, damaged_frames, new_finding
from dfs_store.format.copying.convert import copy_clip, soft_label_of, stored_alike
from dfs_store.format.io.place import locate
from dfs_store.format.native import read_native
from dfs_store.format.source_paths import rebased
from dfs_store.format.spec import NATIVE, RESERVED_KEYS
from dfs_store.format.store import KeyFrameStore
from dfs_store.format.stored_frames import StoredFrames
from dfs_store.format.writer import StoreWriter

__all__ = ["repair_store"]


def repair_store(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, overwrite: bool = False
) -> list[Finding]:
    """Copies every clip whose key frames are all intact into a new store, bit for bit and in order.

    The source is not modified. Labels and class names are kept, including names of classes that lose all
    clips. The new store's provenance records the old store's digest and the numbers of the omitted clips.
    Native arrays are copied only if they and all clips are intact.

    Args:
        source: the damaged store.
        target: path of the new store; its suffix selects the container.
        overwrite: whether to replace an existing store.

    Returns:
        One finding for each omitted clip, and one for omitted native arrays. Empty if the store is intact.

    Raises:
        DamagedStoreError: the attributes or small arrays are damaged, so that frames cannot be assigned to
            clips, or no clip is intact. Nothing is left at the target.
        StoreNotFoundError, NotAStoreError, NewerFormatError: see `KeyFrameStore`.
        OutputExistsError, OutputNotWritableError, DiskFullError: see `StoreWriter`.
    """
    found = examine(locate(source), thorough=True)
    fatal = [each for each in found.problems if each.frames is None and each.file != NATIVE]
    if fatal or found.frames is None:
        raise DamagedStoreError(
            f"{source} cannot be repaired: {fatal[0].message}. The arrays that assign key frames to clips "
            "must be intact; use another copy of the store, or condense again"
        )
    frames, header = found.frames, found.header
    store = KeyFrameStore.of_examination(locate(source), found)
    try:
        lost = _lost_clips(found, frames)
        num_clips = found.arrays["labels"].size
        if len(lost) == num_clips:
            raise DamagedStoreError(f"{source} cannot be repaired: all {num_clips:,} clips are damaged")
        findings = [
            new_finding(found, f"left out: {message}", frames.file_of(int(store.offsets[clip])), clip)
            for clip, message in lost.items()
        ]
        attributes = {key: value for key, value in header.attributes.items() if key not in RESERVED_KEYS}
        attributes["provenance"] = rebased(attributes.get("provenance"), source, target)
        if lost:
            repaired = {"digest": header.digest, "clips_left_out": list(lost)}
            attributes["provenance"] = {**(attributes.get("provenance") or {}), "repaired": repaired}
        with StoreWriter(
            target,
            num_frames=header.num_frames,
            frame_shape=header.frame_shape,
            class_names=header.class_names,
            attributes=attributes,
            overwrite=overwrite,
            **stored_alike(store),
        ) as writer:
            findings += _copy_native(found, writer, whole=not lost)
            for clip in range(num_clips):
                if clip not in lost:
                    soft = soft_label_of(store, clip, header.class_names)
                    copy_clip(store, writer, clip, int(store.labels[clip]), soft_label=soft)
    finally:
        frames.close()
        found.reader.close()
    return findings


def _lost_clips(found: Examination, frames: StoredFrames) -> dict[int, str]:
    lost: dict[int, str] = {}
    for problem in found.problems:
        if problem.frames is not None:
            lost.update(dict.fromkeys(clips_of(found, *problem.frames), problem.message))
    for frame, message in damaged_frames(found, frames):
        (clip,) = clips_of(found, frame, frame + 1)
        lost.setdefault(clip, f"its key frame at position {found.arrays['positions'][frame]} {message}")
    return dict(sorted(lost.items()))


def _copy_native(found: Examination, writer: StoreWriter, *, whole: bool) -> list[Finding]:
    """Copies the native arrays if they and all clips are intact. Otherwise, returns a finding about them."""
    if found.header.native is None:
        return []
    reason = "they belong to all clips together, and some clips were left out"
    arrays = {}
    if whole:
        for name, values in read_native(found.reader, found.header):
            if isinstance(values, DamagedStoreError):
                reason = str(values)
                break
            arrays[name] = values
        else:
            writer.write_native(str(found.header.native["method"]), arrays)
            return []
    return [Finding(message=f"native arrays left out: {reason}", file=NATIVE)]
