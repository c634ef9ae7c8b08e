"""How a dataset is to be read: what `open_videos` and the command line say about its folders and lists."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean

__all__ = ["FOLDER_LAYOUTS", "PathLike", "Reading"]

FOLDER_LAYOUTS = ("classes",)
PathLike = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is said about a dataset besides its name.

    Attributes:
        root: where its files are.
        official_split: number of the official split.
        test_list: of a list: the list of its test clips.
        class_names: of a list with numbers for classes: their names, or a file that holds them.
        folder_layout: of a folder: "classes" takes the folders in it for classes, whatever they are called.
        classes: names of the classes to keep, all when None.
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
        """Refuses what does not go with a dataset of this kind ("list", "folder", or another layout).

        Raises:
            SettingsError: for example a test list for a folder.
        """
        for option, needed in (("test_list", "list"), ("class_names", "list"), ("folder_layout", "folder")):
            if getattr(self, option) is not None and kind != needed:
                raise SettingsError(
                    f"{option} ({'--' + option.replace('_', '-')}) goes with a {needed} of videos, and "
                    f"{name} is none"
                )
        if kind == "folder" and self.root is not None:
            raise SettingsError(
                f"root {os.fspath(self.root)!r} goes with a list or a dataset of the catalogue; {name!r} is "
                "a folder itself"
            )

    def root_or(self, other: Path) -> Path:
        """Returns the root as a full path; another one where none is given."""
        return other if self.root is None else Path(self.root).expanduser().resolve()
