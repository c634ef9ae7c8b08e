"""The methods: a file each, which is called like its method and ends with its record, `METHOD`.

A new file here is a new method for the command line, `--dry-run`, completion, evaluation and tables. One of a
user's own is named `module:name` and needs no file here.
"""

import importlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfs_store.condense.method import Method
from dfs_store.errors import SettingsError
from dfs_store.names import did_you_mean
from dfs_store.user_code import imported

if TYPE_CHECKING:
    from dfs_store.condense.condensed import Condensed
    from dfs_store.condense.config import CondenseConfig
    from dfs_store.condense.events import Event
    from dfs_store.videos import VideoDataset

__all__ = ["method_named", "method_names"]


@cache
def method_names() -> tuple[str, ...]:
    """Returns the names of this library's methods, sorted."""
    files = Path(__file__).parent.glob("[!_]*.py")
    return tuple(sorted(file.stem.replace("_", "-") for file in files))


@cache
def method_named(name: str) -> Method:
    """Returns a method's record.

    Args:
        name: one of `method_names`, or "module:name" of a record, or of a function that yields clips, given
            the resolved settings and the real clips (docs/guides/own-method.md).

    Raises:
        SettingsError: there is no such method.
    """
    if ":" in name:
        return _of_user(name)
    names = method_names()
    if name not in names:
        raise SettingsError(
            f"--method must be one of {', '.join(names)}, or module:function of your own, "
            f"got {name!r}{did_you_mean(name, names)}"
        )
    record: Method = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").METHOD
    return record


def _of_user(name: str) -> Method:
    found = imported(name, "--method", "function")
    if isinstance(found, Method):
        return found
    if not callable(found):
        raise SettingsError(f"--method {name} is a {type(found).__name__}, neither a function nor a Method")
    return Method(run=_run_of(found))


def _run_of(function: Callable[..., Iterable[Any]]) -> Any:  # noqa: ANN401 - `Run`, which imports nothing here
    def run(config: "CondenseConfig", videos: "VideoDataset", tell: Callable[["Event"], None]) -> "Condensed":
        from dfs_store.condense.condensed import Condensed, CondensedClip
        from dfs_store.condense.events import RunStarted

        num_clips = config.vpc * len(videos.classes)
        tell(RunStarted(step=0, iterations=0, num_clips=num_clips, device="cpu", notes=config.notes()))
        return Condensed(CondensedClip(*clip) for clip in function(config, videos))

    return run
