"""Random damage such as disks, networks, incomplete copies and careless edits cause.

It depends only on a generator, so the number of a damage in a campaign suffices to repeat it.
"""

import json
import shutil
from pathlib import Path

import h5py

from tests.format.making import write_header

# Values that a careless or malicious editor might leave in a header.
_VALUES = [
    0, -1, 1, 2, 255, 65536, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400,
    1e308, 1e-320, 0.5, float("nan"), float("inf"), None, True, False,
    "", "0", "float32", "x" * 5000, "\ud800", "../../../etc/passwd", [], {}, [[]], [None], {"": None},
]  # fmt: skip


def damage(path: Path, rng) -> str:
    """Damages a store in place in one of the ways below, and describes the damage."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    ways = _FOLDER_WAYS if path.is_dir() else _FILE_WAYS
    way = _pick(rng, _ARCHIVE_WAYS if path.suffix == ".zip" else ways)
    return f"{way.__name__}: {way(path, files, rng)}"


def _pick(rng, things):
    return things[int(rng.integers(len(things)))]


def _weighted(files, rng):
    """Picks a file. Large files are not more likely than small ones."""
    file = _pick(rng, files)
    return file, bytearray(file.read_bytes())


def flip_bit(path, files, rng):
    file, data = _weighted(files, rng)
    place, bit = int(rng.integers(len(data))), int(rng.integers(8))
    data[place] ^= 1 << bit
    file.write_bytes(data)
    return f"bit {bit} of byte {place} of {file.relative_to(path.parent)}"


def change_bytes(path, files, rng):
    file, data = _weighted(files, rng)
    places = rng.integers(len(data), size=int(rng.integers(1, 9)))
    for place in places:
        data[place] = int(rng.integers(256))
    file.write_bytes(data)
    return f"bytes {places.tolist()} of {file.relative_to(path.parent)}"


def change_word(path, files, rng):
    file, data = _weighted(files, rng)
    size = _pick(rng, [2, 4, 8])
    place = int(rng.integers(max(1, len(data) - size)))
    number = _pick(rng, [0, 1, 2**15, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 8])
    data[place : place + size] = (number % 2 ** (8 * size)).to_bytes(size, "little")
    file.write_bytes(data)
    return f"{size} bytes at {place} of {file.relative_to(path.parent)} to {number}"


def overwrite_block(path, files, rng):
    file, data = _weighted(files, rng)
    start = int(rng.integers(len(data)))
    stop = min(len(data), start + int(rng.integers(1, 4097)))
    fill = _pick(rng, ["zeros", "ones", "noise"])
    data[start:stop] = {
        "zeros": bytes(stop - start),
        "ones": b"\xff" * (stop - start),
        "noise": rng.bytes(stop - start),
    }[fill]
    file.write_bytes(data)
    return f"{fill} over bytes {start}..{stop} of {file.relative_to(path.parent)}"


def move_block(path, files, rng):
    file, data = _weighted(files, rng)
    size = int(rng.integers(1, max(2, min(len(data) // 2, 4096))))
    source, target = (int(rng.integers(max(1, len(data) - size))) for _ in range(2))
    data[target : target + size] = data[source : source + size]
    file.write_bytes(data)
    return f"bytes {source}..{source + size} written over {target} in {file.relative_to(path.parent)}"


def cut(path, files, rng):
    file, data = _weighted(files, rng)
    keep = _pick(rng, [0, len(data) - 1, int(rng.integers(len(data)))])
    file.write_bytes(data[:keep])
    return f"{file.relative_to(path.parent)} after {keep} of {len(data)} bytes"


def lengthen(path, files, rng):
    file, data = _weighted(files, rng)
    more = rng.bytes(int(rng.integers(1, 100)))
    file.write_bytes(data + more)
    return f"{file.relative_to(path.parent)} by {len(more)} bytes"


def drop_bytes(path, files, rng):
    file, data = _weighted(files, rng)
    start = int(rng.integers(len(data)))
    stop = start + int(rng.integers(1, 64))
    del data[start:stop]
    file.write_bytes(data)
    return f"{start}..{stop} of {file.relative_to(path.parent)}"


def delete(path, files, rng):
    victim = _pick(rng, files)
    if rng.integers(4) == 0:
        victim = victim.parent if victim.parent != path else victim
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    return str(victim.relative_to(path.parent))


def swap_files(path, files, rng):
    one, other = _pick(rng, files), _pick(rng, files)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.relative_to(path.parent)} and {other.relative_to(path.parent)}"


def duplicate_file(path, files, rng):
    one, other = _pick(rng, files), _pick(rng, files)
    other.write_bytes(one.read_bytes())
    return f"{one.relative_to(path.parent)} over {other.relative_to(path.parent)}"


def add_file(path, files, rng):
    place = _pick(rng, files).parent / _pick(rng, ["c.9", "c.1.0.0.0", "c", "zarr.json~", ".zattrs", "x"])
    place /= "x" if place.is_dir() else ""  # chunks of a rewritten store are in a folder "c"
    place.write_bytes(rng.bytes(100))
    return str(place.relative_to(path.parent))


def edit_json(path, files, rng):
    if path.is_dir():
        file = _pick(rng, [file for file in files if file.name == "zarr.json"])
        document = json.loads(file.read_text())
        told = _edit(document, rng)
        file.write_text(json.dumps(document))
        return f"{told} in {file.relative_to(path.parent)}"
    with h5py.File(path, "r+") as file:
        document = json.loads(file["dfs_store"][...].tobytes())
        told = _edit(document, rng)
        write_header(file, json.dumps(document).encode())
    return f"{told} in {path.name}"


def _edit(document, rng) -> str:
    """Changes one value of a JSON document, anywhere in it."""
    places = []

    def walk(node, name):
        for key in range(len(node)) if isinstance(node, list) else list(node):
            places.append((node, key, f"{name}/{key}"))
            if isinstance(node[key], list | dict):
                walk(node[key], f"{name}/{key}")

    walk(document, "")
    node, key, name = _pick(rng, places)
    way = int(rng.integers(5))
    if way == 0:
        del node[key]
        return f"{name} deleted"
    if way == 1 and isinstance(node, dict):
        node[f"{key}_"] = node.pop(key)
        return f"{name} renamed"
    if way == 2 and isinstance(node, list):
        node.append(node[key])
        return f"{name} twice"
    node[key] = _pick(rng, _VALUES)
    return f"{name} = {str(node[key])[:40]!r}"


_FILE_WAYS = [
    flip_bit, flip_bit, change_bytes, change_word, change_word, overwrite_block, move_block,
    cut, lengthen, drop_bytes, edit_json,
]  # fmt: skip
_ARCHIVE_WAYS = [way for way in _FILE_WAYS if way is not edit_json]
_FOLDER_WAYS = [*_FILE_WAYS, edit_json, delete, swap_files, duplicate_file, add_file]
