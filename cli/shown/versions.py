"""The output of `dfs --version`, for bug reports. It does not import the libraries that it lists."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from dfs_store import __version__

from .._output import table

_LIBRARIES = (
    "torch", "torchvision", "triton", "numpy", "zarr", "h5py", "av", "decord", "pillow", "google-crc32c",
    "typer", "rich", "jinja2", "matplotlib", "opencv-python-headless", "tensorboard", "fsspec", "s3fs",
)  # fmt: skip


def versions_text() -> str:
    """Returns the versions of dfs-store, Python, the system and the libraries, one per line."""
    rows: list[tuple[str, ...]] = [
        ("python", platform.python_version()),
        ("system", f"{platform.platform()}, {os.cpu_count()} processors"),
    ]
    for name in _LIBRARIES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    return f"dfs-store {__version__}\n{table(rows, indent='  ')}"
