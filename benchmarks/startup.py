"""How long `dfs --help` takes beside the --help of an empty Typer application with as many commands.

Both run in turn, in fresh interpreters; the medians and their ratio are printed.

    python benchmarks/startup.py [ROUNDS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
COMMANDS = 7


def seconds(file):
    started = time.perf_counter()
    subprocess.run([sys.executable, file, "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        empty, ours = Path(folder, "empty.py"), Path(folder, "ours.py")
        empty.write_text(EMPTY.format(commands=COMMANDS))
        ours.write_text(OURS)
        for file in (empty, ours):  # once for the byte code
            seconds(file)
        times = [(seconds(empty), seconds(ours)) for _ in range(rounds)]
    empty_median, ours_median = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"empty Typer app --help  {empty_median * 1000:7.1f} ms")
    print(f"dfs --help              {ours_median * 1000:7.1f} ms")
    print(f"ratio                   {ours_median / empty_median:7.2f}")


if __name__ == "__main__":
    main()
