"""Options that select how the folders and lists of a dataset are read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = ["FOLDER_LAYOUTS", "READING", "PathLike", "Reading"]

FOLDER_LAYOUTS = ("classes",)
PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options for reading a dataset.

    Attributes:
        root: folder of the dataset's files.
        official_split: number of the official split.
        test_list: list of the test clips, only for lists.
        class_names: class names or a file with class names, only for lists whose labels are numbers.
        folder_layout: "classes" treats all subfolders as classes, whatever their names; only for folders.
        classes: names of the classes to keep; all if None.

    Raises:
        SettingsError: `folder_layout` is unknown.
    """

    root: PathLike | None = None
    official_split: int = 1
    test_list: PathLike | None = None
    class_names: PathLike | Sequence[str] | None = None
    folder_layout: str | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.folder_layout not in (None, *FOLDER_LAYOUTS):
            raise SettingsError(
                f"folder_layout must be {' or '.join(FOLDER_LAYOUTS)}, got {self.folder_layout!r}"
                f"{did_you_mean(str(self.folder_layout), FOLDER_LAYOUTS)}"
            )

    def check_fits(self, kind: str, name: str) -> None:
        """Raises SettingsError if an option does not apply to the dataset, such as a test list for a folder.

        Args:
            kind: "list", "folder", or another layout.
            name: name or path of the dataset, for the error message.
        """
        for option, needed in (("test_list", "list"), ("class_names", "list"), ("folder_layout", "folder")):
            if getattr(self, option) is not None and kind != needed:
                raise SettingsError(
                    f"--{option.replace('_', '-')} ({option}) can only be used with a {needed} of videos, "
                    f"but {name} is not a {needed}"
                )
        if kind == "folder" and self.root is not None:
            raise SettingsError(
                f"--root (root=) can only be used with a list or a dataset in the catalogue, but {name} is a "
                f"folder; remove --root {os.fspath(self.root)}"
            )

    def root_or(self, other: Path) -> Path:
        """Returns the root as an absolute path, or `other` if there is none."""
        return other if self.root is None else Path(self.root).expanduser().resolve()


READING = tuple(field.name for field in fields(Reading))
