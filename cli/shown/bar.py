"""The progress bar of a terminal, with its figures on a second line so that both fit 80 columns."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import Progress
from rich.text import Text


class TwoLineProgress(Progress):
    """A bar, and below it the task's field `details`, truncated to the width of the terminal."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the bar and the line below it."""
        yield self.make_tasks_table(self.tasks)
        details = "  ".join(task.fields["details"] for task in self.tasks)
        if details:
            yield Text(f"  {details}", style="dim", no_wrap=True, overflow="ellipsis")
