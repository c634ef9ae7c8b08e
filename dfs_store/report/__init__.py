"""Makes the report about a store, a self-contained HTML page."""

from dfs_store.report.contents import Contents, gather
from dfs_store.report.page import report_html

__all__ = ["Contents", "gather", "report_html"]
