"""The report: one HTML page with all there is to say about a store, which loads nothing."""

from dfs_store.report.contents import Contents, gather
from dfs_store.report.page import report_html

__all__ = ["Contents", "gather", "report_html"]
