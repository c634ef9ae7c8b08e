"""Pictures of a store: contact sheets, films and charts. Does not import torch.

Charts need matplotlib (`pip install 'dfs-store[plot]'`); contact sheets, GIF and MP4 do not.
"""

from dfs_store.pictures.clip import PicturedClip, first_of_each_class, pictured
from dfs_store.pictures.contact_sheet import SheetStyle, contact_sheet, sheet_pages
from dfs_store.pictures.film import FilmCell, film_bytes, film_frames
from dfs_store.pictures.pixels import to_pixels

__all__ = [
    "FilmCell",
    "PicturedClip",
    "SheetStyle",
    "contact_sheet",
    "film_bytes",
    "film_frames",
    "first_of_each_class",
    "pictured",
    "sheet_pages",
    "to_pixels",
]
