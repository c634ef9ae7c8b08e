"""Merges several stores into one."""

import datetime
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from dfs_store import __version__
from dfs_store.errors import SettingsError
from dfs_store.format import KeyFrameStore, StoreWriter, open_store
from dfs_store.format.copying.convert import copy_clip, soft_label_of, stored_alike
from dfs_store.format.source_paths import rebased

__all__ = ["Merged", "merge_stores"]

PathLike = str | os.PathLike[str]

# The properties that must be equal, and how to make them equal.
_EQUAL = {
    "num_frames": (
        "Condense again with dfs condense --frames, or load the stores without merging them: "
        "DFSDataset([...], num_frames=T) rebuilds all clips with T frames"
    ),
    "frame_shape": "Condense again with dfs condense --size",
    "normalization": (
        "Rewrite the clips with dfs export STORE --to npz and dfs import --normalization, or load the stores "
        "without merging them: DFSDataset([...], normalization=None) returns pixels"
    ),
}


@dataclass(frozen=True)
class Merged:
    """Result of `merge_stores`.

    Attributes:
        class_names: class names of the new store, in order of first appearance.
        num_clips: number of clips from each store.
        dtype: dtype of the key frames.
        notes: a sentence for each part of a store that was not copied.
    """

    class_names: list[str]
    num_clips: list[int]
    dtype: str
    notes: list[str]


def merge_stores(
    sources: Sequence[PathLike],
    target: PathLike,
    *,
    dtype: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Writes the clips of several stores into a new one, store by store.

    Classes with the same name are merged, in order of first appearance. If the dtype does not change, key
    frames are copied bit for bit. The new store's provenance contains the entries that all parents have in
    common, and each parent's digest, path, number of clips and provenance.

    Args:
        sources: at least two stores with the same num_frames, frame_shape and normalization.
        target: path of the new store; its suffix selects the container.
        dtype: dtype of the key frames. If None, the stores' dtype, or float32 (lossless) if they differ.
            Image files are copied if all stores have the same encoding and levels; otherwise, key frames are
            decoded.
        overwrite: whether to replace an existing store.
        on_progress: called with the number of clips copied and the total.

    Raises:
        SettingsError: there are fewer than two stores, a store is repeated, or the stores are incompatible.
        DFSError: see `dfs_store.format.copy_store`.
    """
    if len(sources) < 2:
        raise SettingsError(
            f"merging needs at least two stores, got {len(sources)}; use dfs merge A B ... OUT"
        )
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(source)) for source in sources]
        _check_fit(stores)
        names = list(dict.fromkeys(name for store in stores for name in store.class_names))
        stored = _stored_as(stores, dtype)
        steps = [store.inserted_at(0) is not None for store in stores]
        soft = [soft_label_of(store, 0, names) is not None for store in stores]
        rates = {store.fps for store in stores}
        done, total = 0, sum(len(store) for store in stores)
        with StoreWriter(
            target,
            num_frames=stores[0].num_frames,
            frame_shape=stores[0].frame_shape,
            class_names=names,
            attributes={
                "normalization": stores[0].normalization,
                "fps": rates.pop() if len(rates) == 1 else None,
                "provenance": _provenance(stores, target),
            },
            overwrite=overwrite,
            **stored,
        ) as writer:
            for store in stores:
                labels = [names.index(name) for name in store.class_names]
                for clip, label in enumerate(store.labels.tolist()):
                    copy_clip(
                        store,
                        writer,
                        clip,
                        labels[label],
                        with_steps=all(steps),
                        soft_label=soft_label_of(store, clip, names) if all(soft) else None,
                    )
                    done += 1
                    if on_progress is not None:
                        on_progress(done, total)
        return Merged(names, [len(store) for store in stores], writer.dtype, _notes(stores, steps, soft))


def _stored_as(stores: list[KeyFrameStore], dtype: str | None) -> dict[str, Any]:
    """Returns the arguments for `StoreWriter` that determine how key frames are stored."""
    first = stores[0]
    alike = all(
        store.frame_encoding == first.frame_encoding
        and (first.levels is None or (store.levels is not None and store.levels.equals(first.levels)))
        for store in stores
    )
    if dtype is None and first.levels is not None and alike:
        return stored_alike(first)
    dtypes = {store.dtype for store in stores}
    return {"dtype": dtype or (dtypes.pop() if len(dtypes) == 1 else "float32")}


def _check_fit(stores: list[KeyFrameStore]) -> None:
    first = stores[0]
    for place, store in enumerate(stores):
        for name, remedy in _EQUAL.items():
            ours, other = getattr(first, name), getattr(store, name)
            if ours != other:
                raise SettingsError(
                    f"stores to merge must have the same {name}: {first.path} has {_shown(ours)}, "
                    f"{store.path} has {_shown(other)}. {remedy}"
                )
        for earlier in stores[:place]:
            if earlier.attributes["digest"] == store.attributes["digest"]:
                raise SettingsError(
                    f"{earlier.path} and {store.path} contain the same clips (digest "
                    f"{store.attributes['digest'][:12]}...); list each store once"
                )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {value[key]}" for key in ("mean", "std"))
    return "none" if value is None else str(value)


def _provenance(stores: list[KeyFrameStore], target: PathLike) -> dict[str, Any]:
    parents = [rebased(store.provenance, store.path, target) for store in stores]
    agreed = _common(parents)
    configs = [each for parent in parents if isinstance(each := parent.get("config"), dict)]
    if "config" not in agreed and len(configs) == len(parents):
        agreed["config"] = _common(configs)
    sources = [each for parent in parents if isinstance(each := parent.get("sources"), list)]
    if len(sources) == len(parents):
        agreed["sources"] = [one for each in sources for one in each]
    # These do not apply to the merged store, even if all parents agree.
    for key in ("vpc", "created", "software", "fit", "source_bytes"):
        agreed.pop(key, None)
    return {
        "method": "merged",
        **agreed,
        "software": {"dfs-store": __version__},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "merged_from": [
            {
                "digest": store.attributes["digest"],
                "path": PurePath(os.fspath(store.path)).name,
                "num_clips": len(store),
                "dtype": store.dtype,
                # The `sources` of all clips are already listed above.
                "provenance": {key: value for key, value in parent.items() if key != "sources"}
                if "sources" in agreed
                else parent,
            }
            for store, parent in zip(stores, parents, strict=True)
        ],
    }


def _common(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the entries that are equal in all objects."""
    return {key: value for key, value in objects[0].items() if all(o.get(key) == value for o in objects)}


def _notes(stores: list[KeyFrameStore], steps: list[bool], soft: list[bool]) -> list[str]:
    notes = [
        f"the native arrays of {store.native_method} in {store.path} were not copied, because they are valid "
        "only for its clips"
        for store in stores
        if store.native_method is not None
    ]
    if any(steps) and not all(steps):
        without = stores[steps.index(False)].path
        notes.append(f"the insertion steps were not copied, because {without} has none")
    if any(store.soft_labels is not None for store in stores) and not all(soft):
        first = stores[soft.index(False)]
        why = "has none" if first.soft_labels is None else "has none for some of the classes"
        notes.append(f"the soft labels were not copied, because {first.path} {why}")
    rates = {store.fps for store in stores}
    if len(rates) > 1:
        shown = ", ".join(sorted("none" if rate is None else f"{rate:g}" for rate in rates))
        notes.append(f"the frame rate was not copied, because it differs between the stores: {shown}")
    return notes
