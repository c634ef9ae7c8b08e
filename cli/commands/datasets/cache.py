"""`dfs datasets cache`: lists and removes cached clips and extractors."""

from typing import Annotated, Any

import typer

from dfs_store.names import counted

from ... import _output
from ..._exit_codes import command
from ...options import shared


@command
def cache(
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", help="Remove the entry with this key; can be repeated.", metavar="KEY"),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--remove-unfinished", help="Remove unfinished entries.")
    ] = False,
    obsolete: Annotated[
        bool,
        typer.Option(
            "--remove-obsolete", help="Remove entries from older versions, which are no longer used."
        ),
    ] = False,
    everything: Annotated[bool, typer.Option("--remove-all", help="Remove every entry.")] = False,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """List the prepared clips and trained extractors in the cache, or remove some."""
    from dfs_store.videos.cache.entries import cache_root, list_entries, remove_entry

    keys = list(remove or [])
    for entry in list_entries():
        unfinished_too = unfinished and not entry["complete"] and not entry["obsolete"]
        wanted = everything or unfinished_too or (obsolete and entry["obsolete"])
        if wanted and not entry["in_use"] and entry["key"] not in keys:
            keys.append(entry["key"])
    freed_bytes = sum(remove_entry(key) for key in keys)
    entries = list_entries()
    total_bytes = sum(entry["size_bytes"] for entry in entries)
    if json:
        content = {"path": str(cache_root()), "size_bytes": total_bytes, "entries": entries}
        _output.document("dfs.cache/1", {**content, "removed": keys, "freed_bytes": freed_bytes})
        return
    if keys:
        _output.echo(f"removed {counted(len(keys), 'entry')}, {_output.size_text(freed_bytes)}")
    if not quiet:
        if entries:
            _output.echo(_output.table([("key", "clips", "size", "state"), *map(_row, entries)]))
        _output.echo(f"{cache_root()}: {counted(len(entries), 'entry')}, {_output.size_text(total_bytes)}")
        if any(entry["obsolete"] for entry in entries):
            _output.echo(
                "obsolete: made by an older version and no longer used; --remove-obsolete frees the space"
            )


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    old = ", obsolete" if entry["obsolete"] else ""
    if entry["kind"] == "extractor":
        return entry["key"], "-", _output.mebibytes(entry["size_bytes"]), f"trained extractor{old}"
    state = (
        "obsolete"
        if old
        else "complete"
        if entry["complete"]
        else "being prepared"
        if entry["in_use"]
        else "unfinished"
    )
    failed = f", {counted(entry['num_failed'], 'file')} left out" if entry["num_failed"] else ""
    return entry["key"], f"{entry['num_clips']:,}", _output.mebibytes(entry["size_bytes"]), state + failed
