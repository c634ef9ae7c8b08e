"""Damages the archived stores at random, in both containers and every compression.

Each damage must be harmless (the content is unchanged) or raise one of the library's errors. It must never
lead to a crash, a hang, any other error, or a wrong picture.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from tests.attacks.damages import damage
from tests.attacks.reader import Reader

STORES = sorted(
    path
    for path in (Path(__file__).parents[1] / "archives").glob("*/*")
    if path.suffix in (".zarr", ".h5", ".zip")
)


def copy(store: Path, target: Path) -> None:
    """Copies a store of either container."""
    shutil.copytree(store, target) if store.is_dir() else shutil.copyfile(store, target)


def run_campaign(numbers, *, seed=0, keep: Path | None = None, on_progress=None, stores=None):
    """Damages stores, once for each number.

    Args:
        numbers: numbers of the damages. With the same seed, a number always gives the same damage.
        seed: seed of the campaign.
        keep: folder for damaged stores with findings.
        on_progress: function called with the number, kind and duration of each outcome.
        stores: stores to damage; all archived ones if None.

    Returns:
        How often each kind of outcome occurred, and one line per finding.
    """
    counts, findings = Counter(), []
    stores = STORES if stores is None else stores
    with Reader() as reader, tempfile.TemporaryDirectory() as folder:
        sound = {store: reader.read(store) for store in stores}
        assert {outcome.kind for outcome in sound.values()} == {"whole"}, sound
        for number in numbers:
            rng = np.random.default_rng([seed, number])
            store = stores[int(rng.integers(len(stores)))]
            path = Path(folder) / store.name
            copy(store, path)
            what = damage(path, rng)
            found = reader.read(path)
            kind = found.kind
            if kind == "whole":
                kind = "harmless" if found.content == sound[store].content else "another content"
            if kind not in ("harmless", "refused"):
                findings.append(f"{kind}: damage {number} of seed {seed}, {store.name}: {what}: {found.text}")
                if keep is not None:
                    copy(path, keep / f"{seed}-{number}-{store.name}")
            counts[kind] += 1
            if on_progress is not None:
                on_progress(number, kind, found.seconds)
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return counts, findings
