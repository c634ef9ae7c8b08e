"""Exports all clips and their metadata to a NumPy file that can be read without pickle."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dfs_store.errors import SettingsError
from dfs_store.exchange.exports.clips import ExportedClips

__all__ = ["FLOAT32", "UINT8", "write_npz"]

UINT8, FLOAT32 = "uint8", "float32"
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # fixed time stamp, so that the output is deterministic


def write_npz(clips: ExportedClips, path: Path, *, fps: float, dtype: str) -> None:
    """Writes an uncompressed .npz file, clip by clip.

    The file contains `clips` (N, T, C, H, W), uint8 or float32; `values`, which is "pixels" or "normalised"
    accordingly; `labels` (N,) int32, `class_names`, the key frames' `positions` (S,) and
    `offsets` (N+1,), `clip_numbers` (N,), `fps`, and the store's `digest`. If the store has them, the file
    also contains `mean`, `std` and `soft_labels` (N, classes) float16.

    Raises:
        SettingsError: a class name ends with a NUL character.
    """
    store = clips.store
    names = np.array(clips.class_names)
    if names.tolist() != clips.class_names:
        changed = next(name for name in clips.class_names if name.endswith("\0"))
        raise SettingsError(
            f"the class name {changed!r} ends with a NUL character, which NumPy cannot store; rename the "
            "class, or choose another format with --to"
        )
    described = list(clips.described())
    small: dict[str, npt.NDArray[Any]] = {
        "values": np.array("pixels" if dtype == UINT8 or store.normalization is None else "normalised"),
        "labels": np.array([clip.label for clip in described], dtype=np.int32),
        "class_names": names,
        "positions": np.concatenate([clip.positions for clip in described]).astype(np.int64),
        "offsets": np.cumsum([0, *(len(clip.positions) for clip in described)], dtype=np.int64),
        "clip_numbers": clips.numbers.astype(np.int64),
        "fps": np.array(float(fps)),
        "digest": np.array(str(store.attributes["digest"])),
    }
    if store.normalization is not None:
        small |= {name: np.array(store.normalization[name], dtype=np.float64) for name in ("mean", "std")}
    if store.soft_labels is not None:
        small["soft_labels"] = np.array([clip.soft_label for clip in described], dtype=np.float16)
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in small.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EARLIEST), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
        with archive.open(zipfile.ZipInfo("clips.npy", _EARLIEST), "w", force_zip64=True) as file:
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(dtype).newbyteorder("<")),
                "fortran_order": False,
                "shape": (len(clips), store.num_frames, *store.frame_shape),
            }
            np.lib.format.write_array_header_2_0(file, header)
            for clip in clips:
                blocks = clips.pixels(clip) if dtype == UINT8 else clips.values(clip)
                for block in blocks:
                    file.write(np.ascontiguousarray(block, f"<{np.dtype(dtype).str[1:]}").data)
