"""`dfs verify`: reads a whole store and lists all damage."""

from dfs_store.names import counted

from .. import _output
from .._exit_codes import FOUND_WANTING, command
from ..options import shared


@command
def verify(
    store: shared.Store,
    json: shared.Json = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> int:
    """Check a whole store against the format's rules and its checksums.

    The exit code is 1 if the store is damaged.
    """
    from dfs_store.format.checks.verify import verify as check
    from dfs_store.format.io.place import shown_place

    with _output.Progress("verify", quiet=quiet) as progress:
        findings = []
        for finding in check(store, on_progress=progress.update):
            findings.append(finding)
            if not json:
                progress.result(_output.in_line(finding))
    if json:
        content = {
            "store": shown_place(store),
            "ok": not findings,
            "findings": [finding.to_json() for finding in findings],
        }
        _output.document("dfs.verify/1", content)
    elif findings:
        _output.echo(f"{shown_place(store)}: damaged, {counted(len(findings), 'problem')} found")
    elif not quiet:
        _output.echo(f"{shown_place(store)}: intact; all rules, checksums and values were checked")
    return FOUND_WANTING if findings else 0
