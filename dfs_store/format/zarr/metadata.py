"""Zarr v3 metadata as the format uses it: what is written, and the part of it that is accepted when read.

Small arrays are one uncompressed chunk. key_frames is sharded with an inner chunk of one frame. Whatever
departs from that is refused by name, so that a reader never guesses.
"""

from dataclasses import dataclass
from typing import Any

from dfs_store.errors import DamagedStoreError
from dfs_store.format.digest import canonical_json, parse_json
from dfs_store.format.spec import FRAME_DTYPES, MAX_SIDES

__all__ = [
    "ArrayMetadata",
    "FramesMetadata",
    "frames_metadata",
    "group_metadata",
    "parse_array",
    "parse_consolidated",
    "parse_frames",
]

_MAX_SIDE = 2**62
_INDEX_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
_COMPRESSORS = {
    "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
    "gzip": {"name": "gzip", "configuration": {"level": 6}},
}


@dataclass(frozen=True)
class ArrayMetadata:
    """A small array: its dtype by name, its shape, and the name of the file that holds its one chunk."""

    dtype: str
    shape: tuple[int, ...]
    chunk_file: str


@dataclass(frozen=True)
class FramesMetadata:
    """The array key_frames.

    Attributes:
        dtype: by name.
        shape: (S, C, H, W).
        shard_length: frames per shard file.
        separator: between the numbers of a shard's file name.
        compressor: of each frame, or None.
    """

    dtype: str
    shape: tuple[int, ...]
    shard_length: int
    separator: str
    compressor: str | None = None

    def shard_file(self, shard: int) -> str:
        """Returns the file of a shard, relative to the array's folder."""
        return self.separator.join(["c", str(shard), "0", "0", "0"])


def group_metadata(
    attributes: dict[str, Any], consolidated: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Returns the zarr.json of a group; with `consolidated` it repeats those of all below it, by name."""
    group: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    if consolidated is not None:
        about = {"kind": "inline", "must_understand": False, "metadata": consolidated}
        group["consolidated_metadata"] = about
    return group


def parse_consolidated(root: Any) -> dict[str, bytes]:  # noqa: ANN401 - whatever JSON held
    """Returns the zarr.json of every array below a group, as canonical JSON, as the group's repeats them.

    Nothing is wrong with a group that repeats none, or in a way that is not known: {}.
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
    """Returns the zarr.json of a small array: one chunk, no compression."""
    return _metadata(dtype, shape, shape, [_bytes_codec(dtype)])


def frames_metadata(
    dtype: str, shape: tuple[int, ...], shard_length: int, compression: str | None
) -> dict[str, Any]:
    """Returns the zarr.json of key_frames: shards of `shard_length` frames, each its own inner chunk."""
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


def parse_array(text: bytes, name: str) -> ArrayMetadata:
    """Reads the zarr.json of a small array.

    Raises:
        DamagedStoreError: it is none that this format allows.
    """
    metadata = _parse(text, name)
    shape = _shape(metadata, name)
    if _chunk_shape(metadata, name) != shape or not _is_plain(metadata["codecs"]):
        raise DamagedStoreError(f"{name}: a small array must be one uncompressed little-endian chunk")
    separator = _separator(metadata, name)
    return ArrayMetadata(_dtype(metadata, name), shape, separator.join(["c"] + ["0"] * len(shape)))


def parse_frames(text: bytes, name: str) -> FramesMetadata:
    """Reads the zarr.json of key_frames.

    Raises:
        DamagedStoreError: it is none that this format allows.
    """
    metadata = _parse(text, name)
    shape, shard_shape = _shape(metadata, name), _chunk_shape(metadata, name)
    dtype = _dtype(metadata, name)
    if dtype not in FRAME_DTYPES:
        raise DamagedStoreError(f"{name}: dtype must be one of {', '.join(FRAME_DTYPES)}, got {dtype!r}")
    codecs = metadata["codecs"]
    sharding = codecs[0] if len(codecs) == 1 and codecs[0]["name"] == "sharding_indexed" else None
    if len(shape) != 4 or sharding is None or shard_shape[1:] != shape[1:] or shard_shape[0] < 1:
        raise DamagedStoreError(
            f"{name}: must have four dimensions and shards of whole frames, got shape {shape}, "
            f"chunk shape {shard_shape} and codecs {[codec['name'] for codec in codecs]}"
        )
    settings = sharding["configuration"]
    inner = _codecs(settings.get("codecs"), name)
    if settings.get("chunk_shape") != [1, *shape[1:]] or not _is_plain(inner[:1]):
        raise DamagedStoreError(
            f"{name}: an inner chunk must be one frame, its first codec little-endian bytes"
        )
    compressors = [codec["name"] for codec in inner[1:]]
    if len(compressors) > 1 or not set(compressors) <= _COMPRESSORS.keys():
        raise DamagedStoreError(
            f"{name}: behind bytes there may be one compressor, {' or '.join(_COMPRESSORS)}, got "
            f"{', '.join(compressors)[:80]}"
        )
    index_codecs = _codecs(settings.get("index_codecs"), name)
    names = [codec["name"] for codec in index_codecs]
    if names != ["bytes", "crc32c"] or not _is_plain(index_codecs[:1]):
        raise DamagedStoreError(
            f"{name}: a shard's index must be little-endian bytes with crc32c, got {names}"
        )
    if settings.get("index_location", "end") != "end":
        raise DamagedStoreError(f"{name}: a shard's index must lie at its end")
    return FramesMetadata(dtype, shape, shard_shape[0], _separator(metadata, name), *compressors)


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
        # A chunk that got lost must not look like a black frame to a reader that fills it in.
        "fill_value": "NaN" if dtype.startswith("float") else 0,
        "codecs": codecs,
        "attributes": {},
        "storage_transformers": [],
    }


def _bytes_codec(dtype: str) -> dict[str, Any]:
    return {"name": "bytes"} if dtype == "uint8" else {"name": "bytes", "configuration": {"endian": "little"}}


def _parse(text: bytes, name: str) -> dict[str, Any]:
    try:
        metadata = parse_json(text)
    except ValueError as error:
        raise DamagedStoreError(f"{name}: its zarr.json is no JSON ({error})") from error
    if not isinstance(metadata, dict) or metadata.get("node_type") != "array":
        raise DamagedStoreError(f"{name}: its zarr.json does not describe an array")
    if metadata.get("zarr_format") != 3 or metadata.get("storage_transformers", []) not in ([], None):
        raise DamagedStoreError(f"{name}: must be Zarr version 3 without storage transformers")
    metadata["codecs"] = _codecs(metadata.get("codecs"), name)
    return metadata


def _codecs(codecs: object, name: str) -> list[dict[str, Any]]:
    """Returns codecs in their long form; Zarr also allows a bare name."""
    if isinstance(codecs, list) and codecs:
        full = [{"name": codec} if isinstance(codec, str) else codec for codec in codecs]
        if all(isinstance(codec, dict) and isinstance(codec.get("name"), str) for codec in full):
            full = [
                {"name": codec["name"], "configuration": codec.get("configuration") or {}} for codec in full
            ]
            if all(isinstance(codec["configuration"], dict) for codec in full):
                return full
    raise DamagedStoreError(f"{name}: its list of codecs cannot be read")


def _is_plain(codecs: list[dict[str, Any]]) -> bool:
    """Whether the codecs are nothing but little-endian bytes (single bytes need no order)."""
    return (
        len(codecs) == 1
        and codecs[0]["name"] == "bytes"
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
    )


def _shape(metadata: dict[str, Any], name: str) -> tuple[int, ...]:
    return _sides(metadata.get("shape"), name, "shape")


def _chunk_shape(metadata: dict[str, Any], name: str) -> tuple[int, ...]:
    grid = metadata.get("chunk_grid")
    if (
        isinstance(grid, dict)
        and grid.get("name") == "regular"
        and isinstance(grid.get("configuration"), dict)
    ):
        return _sides(grid["configuration"].get("chunk_shape"), name, "chunk_shape")
    raise DamagedStoreError(f"{name}: its chunk grid must be regular")


def _sides(value: object, name: str, what: str) -> tuple[int, ...]:
    if isinstance(value, list) and 1 <= len(value) <= MAX_SIDES:
        sides = [side for side in value if type(side) is int and 0 <= side <= _MAX_SIDE]
        if len(sides) == len(value):
            return tuple(sides)
    raise DamagedStoreError(f"{name}: {what} must be a list of whole numbers, got {str(value)[:80]}")


def _dtype(metadata: dict[str, Any], name: str) -> str:
    dtype = metadata.get("data_type")
    if not isinstance(dtype, str):
        raise DamagedStoreError(f"{name}: data_type must be a plain name, got {str(dtype)[:80]}")
    return dtype


def _separator(metadata: dict[str, Any], name: str) -> str:
    encoding = metadata.get("chunk_key_encoding")
    if isinstance(encoding, dict) and encoding.get("name") == "default":
        settings = encoding.get("configuration") or {}
        separator = settings.get("separator", "/") if isinstance(settings, dict) else None
        if separator in ("/", "."):
            return str(separator)
    raise DamagedStoreError(f"{name}: chunk_key_encoding must be default with separator '/' or '.'")
