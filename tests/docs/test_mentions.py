"""Every command that the documentation mentions exists, with the flags shown."""

import re
import shlex

import pytest
import typer
from dfs_store.cli import app

from tests.docs.pages import PAGES, ROOT, blocks, commands_shown

COMMAND = typer.main.get_command(app)
SCRIPT = re.compile(r"(?:python3? |torchrun .*?|^)((?:benchmarks|docs/examples)/\w+\.py)(.*)")


def words_of(line):
    """Returns the words of a line. Text in brackets and placeholders are kept as one word."""
    try:
        return shlex.split(line.replace("...", " "))
    except ValueError:
        return line.split()


def problem_of_dfs(words):
    """Returns what is wrong with the words after `dfs`, or None if they are valid."""
    command = COMMAND
    rest = list(words)
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"there is no command {name}" if name.islower() else None
        command = command.commands[name]
    with command.make_context("dfs", [], resilient_parsing=True) as context:
        known = {flag for each in command.get_params(context) for flag in (*each.opts, *each.secondary_opts)}
    flags = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} - {"-h"}
    unknown = sorted(flags - known)
    return f"dfs {' '.join(words)}: no such option: {', '.join(unknown)}" if unknown else None


def problem_of_script(script, rest):
    path = ROOT / script
    if not path.exists():
        return f"there is no {script}"
    flags = re.findall(r"(?<![\w-])--[a-z][\w-]*", re.sub(r"\"[^\"]*\"", "", rest))
    unknown = sorted(flag for flag in flags if f'"{flag}"' not in path.read_text(encoding="utf-8"))
    return f"{script}: no such option: {', '.join(unknown)}" if unknown else None


def problem(line):
    """Returns what is wrong with a command as shown, or None if it is valid or not one of ours."""
    script = SCRIPT.search(line)
    if script:
        return problem_of_script(*script.groups())
    found = re.search(r"(?:^|/|-m )dfs(?:_store\.cli)? (.*)", line)
    return problem_of_dfs(words_of(found[1])) if found else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_exists(page):
    problems = {line: problem(line) for line in commands_shown(page)}
    assert not {line: said for line, said in problems.items() if said}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dfs condense --dataset X --vpc 5 --out ucf.zarr", None),
        ("dfs datasets prepare NAME --shard 3/16 ...", None),
        ("dfs condense --ipc 5", "dfs condense --ipc 5: no such option: --ipc"),
        ("dfs distill x", "there is no command distill"),
        (
            "torchrun --nnodes 2 -m dfs_store.cli condense --vcp 3",
            "dfs condense --vcp 3: no such option: --vcp",
        ),
        ("python benchmarks/ranks.py", None),
        (
            "python benchmarks/frontier.py --seads 1",
            "benchmarks/frontier.py: no such option: --seads",
        ),
        ("python benchmarks/nothing.py", "there is no benchmarks/nothing.py"),
        ("torchrun --standalone docs/examples/distributed.py x --loader dfs", None),
        ("pip install --no-such-flag x", None),
    ],
)
def test_what_does_not_exist_is_noticed(line, said):
    assert problem(line) == said


def test_full_lines_can_be_parsed():
    """Commands that are shown in full but not run also have values of the right type."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "bash" and block.marker == "not run":
                for line in block.lines:
                    found = re.search(r"(?:^|-m )dfs(?:_store\.cli)? (\w[^|>&]*)", line)
                    if found and "..." not in line:
                        parse(found[1])


def parse(line):
    command, rest = COMMAND, shlex.split(line)
    while getattr(command, "commands", None):
        command = command.commands[rest.pop(0)]
    command.make_context("dfs", rest)


def test_a_value_of_the_wrong_kind_is_noticed():
    parse("condense --dataset ucf101 --vpc 5 --out ucf.zarr")
    with pytest.raises(Exception, match="number of clips per class"):
        parse("condense --vpc five")
