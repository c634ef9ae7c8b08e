"""How a store shows itself in a notebook: a line of facts and a small contact sheet."""

import base64
import html
import io
from collections.abc import Sequence

from dfs_store.errors import DFSError
from dfs_store.format import KeyFrameStore
from dfs_store.pictures.clip import first_of_each_class, pictured
from dfs_store.pictures.contact_sheet import SheetStyle, contact_sheet
from dfs_store.pictures.preview import store_phases

__all__ = ["store_html"]

_MOST_CLIPS = 4


def store_html(store: KeyFrameStore, facts: Sequence[str]) -> str:
    """Returns HTML for a notebook, with the first clips of up to four classes.

    Args:
        store: whose clips are shown; where they cannot be read, the reason is.
        facts: lines of text above; they are escaped.
    """
    lines = "<br>".join(html.escape(fact) for fact in facts)
    try:
        picture = _picture(store)
    except (DFSError, OSError) as error:  # a notebook must show what it can
        picture = f"<em>{html.escape(str(error))}</em>"
    return f'<div style="font-family: monospace; line-height: 1.4">{lines}</div>{picture}'


def _picture(store: KeyFrameStore) -> str:
    first = first_of_each_class(store, _MOST_CLIPS)
    phases = store_phases(store)
    style = SheetStyle(steps=phases.steps if phases is not None else None)
    sheet = contact_sheet([pictured(store, clip) for clip in first], style)
    data = io.BytesIO()
    sheet.save(data, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    return f'<img src="{uri}" alt="contact sheet of {len(first)} clips" style="max-width: 100%">'
