"""The HTML representation of a store in a notebook, with its properties and a small contact sheet."""

import base64
import html
import io
from collections.abc import Sequence

from dfs_store.errors import DFSError
from dfs_store.format import KeyFrameStore
from dfs_store.pictures.clip import first_of_each_class, pictured
from dfs_store.pictures.contact_sheet import SheetStyle, contact_sheet
from dfs_store.pictures.drawing import LIGHT, THEMES
from dfs_store.pictures.phases import store_phases

__all__ = ["store_html"]

_MOST_CLIPS = 4
# Selectors of dark themes in JupyterLab and Notebook 7, VS Code, Colab, and pages made by Sphinx and MkDocs.
_DARK = (
    '[data-jp-theme-light="false"]',
    "body.vscode-dark",
    'html[theme="dark"]',
    '[data-theme="dark"]',
    '[data-md-color-scheme="slate"]',
)
_STYLE = (
    f"<style>{', '.join(f'{dark} img.dfs-dark' for dark in _DARK)} {{ display: inline !important; }} "
    f"{', '.join(f'{dark} img.dfs-light' for dark in _DARK)} {{ display: none !important; }}</style>"
)


def store_html(store: KeyFrameStore, facts: Sequence[str]) -> str:
    """Returns HTML that shows a store in a notebook, with the first clip of up to four classes.

    Args:
        store: the store. If its clips cannot be read, the error is shown instead.
        facts: lines of text to show above the clips. They are escaped.
    """
    lines = "<br>".join(html.escape(fact) for fact in facts)
    try:
        picture = _picture(store)
    except (DFSError, OSError) as error:  # a notebook must always show a store
        picture = f"<em>{html.escape(str(error))}</em>"
    return f'<div style="font-family: monospace; line-height: 1.4">{lines}</div>{picture}'


def _picture(store: KeyFrameStore) -> str:
    first = first_of_each_class(store, _MOST_CLIPS)
    phases = store_phases(store)
    clips = [pictured(store, clip) for clip in first]
    shown = []
    for name, theme in THEMES.items():
        sheet = contact_sheet(
            clips, SheetStyle(steps=phases.steps if phases is not None else None, theme=theme)
        )
        data = io.BytesIO()
        sheet.save(data, "PNG", optimize=True)
        uri = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
        # Where style sheets are removed, as on GitHub, only the light picture is visible.
        hidden = "" if theme is LIGHT else "; display: none"
        shown.append(
            f'<img class="dfs-{name}" src="{uri}" alt="contact sheet of {len(first)} clips" '
            f'style="max-width: 100%{hidden}">'
        )
    return _STYLE + "".join(shown)
