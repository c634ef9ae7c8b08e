"""Times `dfs --help` and `dfs inspect` against lower bounds.

--help is compared with an empty Typer application that has the same number of commands. inspect, on stores of
20 and 20,000 clips in both containers, is compared with importing the libraries that it uses. All take turns
in fresh interpreters, and medians and their ratios are printed.

    python benchmarks/startup.py [ROUNDS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stores import write_store

EMPTY = """
import typer
app = typer.Typer(no_args_is_help=True)
for number in range({commands}):
    def command() -> None:
        "An empty command."
    app.command(f"command{{number}}")(command)
app()
"""
OURS = "from dfs_store.cli import main\nmain()\n"
COMMANDS = 8
BARE = {".zarr": "import typer, rich, zarr", ".h5": "import typer, rich, h5py"}
WITH_PYDANTIC = "import typer._adapters, rich, h5py"


def seconds(arguments):
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def take_turns(commands, rounds):
    """Returns the median seconds of each command, after one run that compiles the bytecode."""
    times = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, arguments in commands.items():
            times[name].append(seconds(arguments))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty, ours = folder / "empty.py", folder / "ours.py"
        empty.write_text(EMPTY.format(commands=COMMANDS))
        ours.write_text(OURS)
        commands = {"an empty Typer app --help": [empty, "--help"], "dfs --help": [ours, "--help"]}
        bases = {"dfs --help": "an empty Typer app --help"}
        for suffix, imports in BARE.items():
            commands[imports] = ["-c", imports]
            for clips in (20, 20_000):
                path = folder / f"{clips}{suffix}"
                write_store(path, clips, 8, (3, 8, 8))
                inspect = f"dfs inspect {path.name}"
                commands[inspect], bases[inspect] = [ours, "inspect", path], imports
        commands[WITH_PYDANTIC], bases[WITH_PYDANTIC] = ["-c", WITH_PYDANTIC], BARE[".h5"]
        medians = take_turns(commands, rounds)
    for name, median in medians.items():
        beside = f"  {median / medians[bases[name]]:5.2f} times {bases[name]}" if name in bases else ""
        print(f"{name:<36} {median * 1000:7.1f} ms{beside}")


if __name__ == "__main__":
    main()
