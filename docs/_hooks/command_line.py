"""Generates the command-line page from the Typer application, whenever the site is built.

MkDocs calls `on_page_markdown`; `python docs/_hooks/command_line.py` prints the same page.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from dfs_store.cli import app

PLACE = "<!-- commands -->"
ARGUMENTS, OPTIONS = "Arguments", "Options"


def on_page_markdown(markdown: str, **_given: object) -> str:
    """Inserts the commands into a page that has a placeholder for them. MkDocs calls this for every page."""
    return markdown.replace(PLACE, page()) if PLACE in markdown else markdown


def page() -> str:
    """Returns all commands as Markdown, in the order of `dfs --help`."""
    return "\n\n".join(_command("dfs", typer.main.get_command(app), None))


def _command(name: str, command: Any, parent: Any) -> Iterator[str]:  # noqa: ANN401 - Typer vendors Click's types
    """Yields the parts of the sections of a command and its subcommands."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield f"{'###' if name.count(' ') > 1 else '##'} {name}"
    yield from _about(command)
    yield f"```text\n{name} {' '.join(command.collect_usage_pieces(context))}\n```"
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if getattr(parameter, "hidden", False):
            continue
        record = parameter.get_help_record(context)
        kind = ARGUMENTS if parameter.param_type_name == "argument" else OPTIONS
        if record is not None:
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(record)
    for title, records in panels.items():
        rows = [f"| {_code(record[0])} | {_cell(record[1])} |" for record in records]
        yield "\n".join([f"| {title} | |", "|---|---|", *rows])
    for below, each in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", each, context)


def _about(command: Any) -> Iterator[str]:  # noqa: ANN401
    """Yields the help text: prose unchanged, example lines as code."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("dfs "):
            yield f"```text\n{paragraph}\n```"
        else:
            yield paragraph


def _code(text: str) -> str:
    return f"`{text.strip()}`"  # a | inside is no end of a cell


def _cell(text: str) -> str:
    escaped = text.strip().replace("\n", " ").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return escaped.replace("[", "\\[")


if __name__ == "__main__":
    typer.echo(page())
