"""The numbers of the paper, to stand beside one's own: percent, and MiB (which the paper calls MB)."""

from typing import NamedTuple

from dfs_store.videos.files.catalogue import CATALOGUE, FOLDER

__all__ = [
    "PAPER_EPOCHS",
    "PAPER_METHODS",
    "PAPER_RUNS",
    "PAPER_TEST_CLIPS",
    "PAPER_TEST_PASSES",
    "Published",
    "metric_of",
    "published",
]


class Published(NamedTuple):
    """One cell of the paper's tables.

    Attributes:
        accuracy: percent: top-1, or top-5 on Kinetics-400 and Something-Something V2.
        mebibytes: storage, as the paper prints it; None where it gives none.
        spread: its plus-minus, in percent; None where it gives none.
    """

    accuracy: float
    mebibytes: float | None = None
    spread: float | None = None


# Accuracy by dataset, method and vpc.
_ACCURACY: dict[str, dict[str, dict[int, float]]] = {
    "miniucf": {
        "random": {10: 27.8, 5: 19.6, 1: 10.9},
        "herding": {10: 33.7, 5: 26.3, 1: 13.2},
        "k-center": {10: 29.1, 5: 23.2, 1: 13.9},
        "dm": {10: 30.0, 5: 25.7, 1: 15.3},
        "static-dynamic": {5: 27.2, 1: 17.5},
        "dfs": {10: 31.0, 5: 28.0, 1: 17.9},
    },
    "hmdb51": {
        "random": {10: 9.8, 5: 6.8, 1: 3.3},
        "herding": {10: 10.8, 5: 9.0, 1: 3.0},
        "k-center": {10: 8.0, 5: 5.2, 1: 2.4},
        "dm": {10: 12.1, 5: 8.0, 1: 6.1},
        "static-dynamic": {5: 8.2, 1: 6.0},
        "dfs": {10: 12.8, 5: 10.5, 1: 7.5},
    },
    "kinetics400": {
        "random": {5: 5.5, 1: 3.0},
        "herding": {5: 6.3, 1: 3.3},
        "k-center": {5: 6.2, 1: 3.1},
        "dm": {5: 9.1, 1: 6.3},
        "static-dynamic": {5: 7.0, 1: 6.3},
        "dfs": {5: 8.1, 1: 7.1},
    },
    "ssv2": {
        "random": {5: 3.6, 1: 3.1},
        "herding": {5: 3.6, 1: 2.8},
        "k-center": {5: 4.5, 1: 2.6},
        "dm": {5: 4.1, 1: 3.6},
        "static-dynamic": {5: 3.8, 1: 4.0},
        "dfs": {5: 4.1, 1: 3.9},
    },
}
# The plus-minus of these, for the datasets that they are known of.
_SPREAD: dict[str, dict[str, dict[int, float]]] = {
    "miniucf": {
        "random": {10: 1.1, 5: 0.4, 1: 0.7},
        "herding": {10: 0.3, 5: 1.0, 1: 1.3},
        "k-center": {10: 0.6, 5: 0.6, 1: 1.6},
        "dm": {10: 0.6, 5: 0.2, 1: 1.1},
        "static-dynamic": {5: 0.4, 1: 0.1},
        "dfs": {10: 0.1, 5: 0.1, 1: 0.3},
        "whole": {0: 1.1},
    },
    "hmdb51": {
        "random": {10: 0.4, 5: 0.7, 1: 0.1},
        "herding": {10: 0.6, 5: 0.6, 1: 0.1},
        "k-center": {10: 0.1, 5: 0.4, 1: 0.4},
        "dm": {10: 0.4, 5: 0.2, 1: 0.2},
        "static-dynamic": {5: 0.1, 1: 0.4},
        "dfs": {10: 0.2, 5: 0.4, 1: 0.3},
        "whole": {0: 0.2},
    },
}
_WHOLE = {"miniucf": 57.8, "hmdb51": 25.4, "kinetics400": 30.3, "ssv2": 23.0}
# Storage as the paper prints it, of clips with all their frames and of the methods that keep fewer. It prints
# the same for both datasets; its own rule gives 574 for MiniUCF at VPC 5, and 1171, 586 and 117 for HMDB51.
_DENSE = {name: {10: 1150.0, 5: 586.0, 1: 115.0} for name in ("miniucf", "hmdb51")}
_FEWER = {
    ("miniucf", "static-dynamic"): {5: 455.0, 1: 94.0},
    ("hmdb51", "static-dynamic"): {5: 455.0, 1: 94.0},
    ("miniucf", "dfs"): {10: 324.0, 5: 133.0, 1: 20.0},
    ("hmdb51", "dfs"): {10: 287.0, 5: 137.0, 1: 22.0},
}
_DENSE_METHODS = ("random", "herding", "k-center", "dm")
PAPER_METHODS = tuple(_ACCURACY["miniucf"])  # in the order of its tables
PAPER_EPOCHS = 500  # the argument of the public code, which makes 501 passes
PAPER_RUNS = 3
# The fewest and the most test clips; copies of Kinetics-400 lack some that are no longer to be had.
PAPER_TEST_CLIPS = {
    "miniucf": (1861, 1861),
    "hmdb51": (1530, 1530),
    "kinetics400": (19_500, 20_000),
    "ssv2": (24_777, 24_777),
}
PAPER_TEST_PASSES = 3  # over the test clips, each with random starts and flips of its own


def metric_of(dataset: str) -> str:
    """Returns "top1" or "top5": what the paper reports for a dataset."""
    return CATALOGUE.get(dataset, FOLDER).metric


def published(dataset: str, method: str, vpc: int | None) -> Published | None:
    """Returns the paper's cell (ConvNet3D), or None where it has none."""
    if method == "whole":
        spread = _SPREAD.get(dataset, {}).get(method, {}).get(0)
        return Published(_WHOLE[dataset], None, spread) if dataset in _WHOLE else None
    accuracy = _ACCURACY.get(dataset, {}).get(method, {}).get(vpc or 0)
    if accuracy is None:
        return None
    sizes = _DENSE.get(dataset, {}) if method in _DENSE_METHODS else _FEWER.get((dataset, method), {})
    spread = _SPREAD.get(dataset, {}).get(method, {}).get(vpc or 0)
    return Published(accuracy, sizes.get(vpc or 0), spread)
