"""Attacks through soft labels, with a valid digest if an attacker could compute it."""

import json

import h5py
import numpy as np
import zarr

from dfs_store.format.digest import compute_digest
from tests.attacks.recipes.registry import attack
from tests.format.making import content, edit_attributes, read_raw, write_array


def written_anew(path):
    """Replaces the valid store with one that has soft labels."""
    content(with_soft_labels=True).write(path, overwrite=True)


@attack(
    "soft_labels must be finite",
    ".zarr",
    ".h5",
    value=[np.nan, np.inf, -np.inf],
    place=[(0, 0), (3, 1), (2, 0)],
)
def soft_labels_that_are_no_numbers(path, value, place):
    """A single such value makes every loss NaN."""
    written_anew(path)
    values = read_raw(path)[0]["soft_labels"].copy()
    values[place] = value
    write_array(path, "soft_labels", values)
    edit_attributes(path, lambda attributes: None, redigest=True)


@attack(
    "soft_labels must|soft_labels was never written",
    ".zarr",
    ".h5",
    shape=[(4, 1), (4, 3), (3, 2), (5, 2), (2, 4), (8,), (4, 2, 1), (0, 2)],
)
def soft_labels_of_another_shape(path, shape):
    """Soft labels with the wrong number of classes, clips or dimensions."""
    written_anew(path)
    arrays, frames_shape, dtype = read_raw(path)
    arrays["soft_labels"] = np.zeros(shape, np.float16)
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r+")
        del group["soft_labels"]
        group.create_array("soft_labels", data=arrays["soft_labels"], compressors=None)
        file = path / "zarr.json"
        root = json.loads(file.read_text())
        root.pop("consolidated_metadata", None)
        file.write_text(json.dumps(root))
    else:
        with h5py.File(path, "r+") as file:
            del file["soft_labels"]
            file["soft_labels"] = arrays["soft_labels"]

    def fit(attributes):
        attributes["digest"] = compute_digest(attributes, arrays, frames_shape, dtype)

    edit_attributes(path, fit)


@attack("soft_labels", ".zarr", size_bytes=[0, 1, 15])
def soft_labels_cut_short(path, size_bytes):
    """A file that ends before its array."""
    written_anew(path)
    file = path / "soft_labels" / "c.0.0"
    file.write_bytes(file.read_bytes()[:size_bytes])


@attack("", ".h5", share=[0.5, 0.9, 0.99])
def a_file_with_soft_labels_cut_short(path, share):
    """The end of the file is missing."""
    written_anew(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@attack("digest", ".zarr", ".h5", value=[0.0, 1.5])
def soft_labels_that_were_altered(path, value):
    """A finite value replaced by another, which the digest detects."""
    written_anew(path)
    values = read_raw(path)[0]["soft_labels"].copy()
    values[1, 0] = value + 7
    write_array(path, "soft_labels", values)
