"""Fuzzes the readers of the format with atheris, guided by the code that each input reaches.

    pip install -e '.[fuzz]'
    python benchmarks/fuzzing.py TARGET [--seconds 600] [--keep]

TARGET is one of header, metadata, index, arrays, zip_archive, hdf5, images (see
tests/attacks/fuzz_targets.py). It starts from valid inputs and those in tests/attacks/corpus. A finding ends
the run, and is saved as a file named crash-..., timeout-... or oom-.... `--keep` adds the inputs that reached
new code to the corpus.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["dfs_store.format"]):
    from tests.attacks.fuzz_targets import CORPUS, TARGETS, seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--libfuzzer", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.libfuzzer:  # atheris.Fuzz never returns: the runs are processes of their own
        atheris.Setup([sys.argv[0], *options.libfuzzer], TARGETS[options.target])
        atheris.Fuzz()
    kept = CORPUS / options.target
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(kept, work, dirs_exist_ok=True)
        for number, seed in enumerate(seeds(options.target)):
            (work / f"seed-{number}").write_bytes(seed)
        again = [sys.executable, __file__, options.target, "--libfuzzer"]
        limits = ["-timeout=10", "-rss_limit_mb=3000", "-max_len=16384", "-print_final_stats=1"]
        done = subprocess.run([*again, *limits, f"-max_total_time={options.seconds}", folder], check=False)
        if (
            options.keep
        ):  # libFuzzer leaves in the first folder what reached new code, each input as small as it got
            shutil.rmtree(kept)
            shutil.copytree(work, kept)
            print(f"{len(list(kept.iterdir()))} inputs in {kept}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
