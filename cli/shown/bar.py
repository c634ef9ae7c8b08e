"""A progress bar for terminals. Its figures are on a second line, so that both lines fit into 80 columns."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text


class TwoLineProgress(Progress):
    """A bar with the task's `details` field on a second line, truncated to the width of the terminal."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the bar and the line below it."""
        yield self.make_tasks_table(self.tasks)
        details = "  ".join(task.fields["details"] for task in self.tasks)
        if details:
            yield Text(f"  {details}", style="dim", no_wrap=True, overflow="ellipsis")
