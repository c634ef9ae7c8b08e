"""Writes Zarr v3 metadata, and checks whether an array has dfs-store's layout.

In this layout, a small array is one uncompressed chunk, coded_frames has several such chunks, and key_frames
is sharded, with one frame per inner chunk. `dfs_store.format.zarr.general` reads any other layout.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dfs_store.errors import DamagedStoreError
from dfs_store.format.digest import canonical_json
from dfs_store.format.io.reading import parse_json
from dfs_store.format.spec import FRAME_DTYPES, MAX_SIDES

__all__ = [
    "ArrayMetadata",
    "array_metadata",
    "bytes_metadata",
    "chunk_file",
    "frames_metadata",
    "group_metadata",
    "parse_array",
    "parse_consolidated",
    "parse_sides",
]

_MAX_SIDE = 2**62
# dfs-store writes longer chunks, or a single one. Every one-byte chunk would need its own file and request.
_MIN_BYTE_CHUNK = 2**20
_INDEX_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
_COMPRESSORS = {
    "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
    "gzip": {"name": "gzip", "configuration": {"level": 6}},
}


@dataclass(frozen=True)
class ArrayMetadata:
    """The content of an array's zarr.json.

    Attributes:
        dtype: name of the dtype.
        shape: shape of the array.
        content: the whole JSON object without its attributes, which any program may set.
    """

    dtype: str
    shape: tuple[int, ...]
    content: dict[str, Any]

    @property
    def is_plain(self) -> bool:
        """Whether this is a small array in dfs-store's layout, a single uncompressed chunk."""
        return self.content == array_metadata(self.dtype, self.shape)

    @property
    def byte_chunk(self) -> int | None:
        """Length of a chunk if this is an array of bytes in dfs-store's layout, otherwise None."""
        length = self._first_side
        if length is None or len(self.shape) != 1 or length < min(self.shape[0], _MIN_BYTE_CHUNK):
            return None
        return length if self.content == bytes_metadata(self.shape[0], length) else None

    @property
    def _first_side(self) -> int | None:
        grid = self.content.get("chunk_grid")
        settings = grid.get("configuration") if isinstance(grid, dict) else None
        sides = settings.get("chunk_shape") if isinstance(settings, dict) else None
        length = sides[0] if isinstance(sides, list) and sides else None
        return length if type(length) is int and length >= 1 else None

    @property
    def shard_length(self) -> int | None:
        """Frames per shard if this is an uncompressed array of frames in dfs-store's layout, else None."""
        length = self._first_side
        if length is None or len(self.shape) != 4 or self.dtype not in FRAME_DTYPES:
            return None
        same = self.content == frames_metadata(self.dtype, self.shape, length, None)
        return length if same else None


def chunk_file(first: int, num_sides: int) -> str:
    """Returns the name of a chunk's file in dfs-store's layout. `first` is its index along the first axis."""
    return f"c.{first}" + ".0" * (num_sides - 1)


def group_metadata(
    attributes: dict[str, Any], consolidated: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Returns the zarr.json of a group. `consolidated` contains the zarr.json of each node below it."""
    group: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    if consolidated is not None:
        about = {"kind": "inline", "must_understand": False, "metadata": consolidated}
        group["consolidated_metadata"] = about
    return group


def parse_consolidated(root: Any) -> dict[str, bytes]:  # noqa: ANN401 - any JSON
    """Returns the zarr.json of every array in a group's consolidated metadata, as canonical JSON by name.

    Returns {} if the group has no consolidated metadata, or has them in an unknown form.
    """
    about = root.get("consolidated_metadata") if isinstance(root, dict) else None
    metadata = about.get("metadata") if isinstance(about, dict) and about.get("kind") == "inline" else None
    if not isinstance(metadata, dict):
        return {}
    return {
        name: canonical_json(each)
        for name, each in metadata.items()
        if isinstance(each, dict) and each.get("node_type") == "array"
    }


def array_metadata(dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Returns the zarr.json of a small array, which is one uncompressed chunk."""
    return _metadata(dtype, shape, shape, [_bytes_codec(dtype)])


def bytes_metadata(length: int, chunk_length: int) -> dict[str, Any]:
    """Returns the zarr.json of coded_frames, an array of bytes in uncompressed chunks."""
    return _metadata("uint8", (length,), (chunk_length,), [_bytes_codec("uint8")])


def frames_metadata(
    dtype: str, shape: tuple[int, ...], shard_length: int, compression: str | None
) -> dict[str, Any]:
    """Returns the zarr.json of key_frames, in shards of `shard_length` frames with one frame per chunk."""
    inner = [_bytes_codec(dtype)] + ([_COMPRESSORS[compression]] if compression else [])
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [1, *shape[1:]],
            "codecs": inner,
            "index_codecs": _INDEX_CODECS,
            "index_location": "end",
        },
    }
    return _metadata(dtype, shape, (shard_length, *shape[1:]), [sharding])


def parse_array(text: bytes, where: str) -> ArrayMetadata:
    """Parses the zarr.json of an array in any layout.

    Raises:
        DamagedStoreError: the text does not describe an array.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise DamagedStoreError(f"{where}: its zarr.json is not valid JSON ({error})") from error
    if (
        not isinstance(content, dict)
        or content.get("node_type") != "array"
        or content.get("zarr_format") != 3
    ):
        raise DamagedStoreError(f"{where}: its zarr.json must describe a Zarr v3 array")
    dtype = content.get("data_type")
    if not isinstance(dtype, str):
        raise DamagedStoreError(f"{where}: data_type must be a plain name, got {str(dtype)[:80]}")
    shape = parse_sides(content.get("shape"), where, "shape")
    return ArrayMetadata(dtype, shape, {**content, "attributes": {}})


def parse_sides(value: object, where: str, what: str) -> tuple[int, ...]:
    """Returns a list of sizes as a tuple. Raises DamagedStoreError, which names `what`, if it is invalid."""
    if isinstance(value, list) and 1 <= len(value) <= MAX_SIDES:
        sides = [side for side in value if type(side) is int and 0 <= side <= _MAX_SIDE]
        if len(sides) == len(value):
            return tuple(sides)
    raise DamagedStoreError(f"{where}: {what} must be a list of whole numbers, got {str(value)[:80]}")


def _metadata(
    dtype: str, shape: tuple[int, ...], chunk_shape: tuple[int, ...], codecs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        # No chunk contains only this value. Therefore, lost chunks are detected, and zarr-python, which omits
        # chunks that contain only the fill value, copies all chunks.
        "fill_value": _fill_value(dtype),
        "codecs": codecs,
        "attributes": {},
        "storage_transformers": [],
    }


def _bytes_codec(dtype: str) -> dict[str, Any]:
    return {"name": "bytes"} if dtype == "uint8" else {"name": "bytes", "configuration": {"endian": "little"}}


def _fill_value(dtype: str) -> str | int:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return "NaN"
    limits = np.iinfo(kind)
    return int(limits.max if kind.kind == "u" else limits.min)
