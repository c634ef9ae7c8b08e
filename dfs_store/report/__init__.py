"""Creates a report on a store: a self-contained HTML page."""

from typing import TYPE_CHECKING

from dfs_store.lazy import imported_on_first_use

if TYPE_CHECKING:
    from dfs_store.report.contents import Contents, gather
    from dfs_store.report.page import report_html

__all__ = ["Contents", "gather", "report_html"]

_NAMES = {
    "dfs_store.report.contents": ("Contents", "gather"),
    "dfs_store.report.page": ("report_html",),
}


__getattr__, __dir__ = imported_on_first_use(__name__, _NAMES)
