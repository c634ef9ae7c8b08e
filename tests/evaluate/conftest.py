import pytest

from dfs_store import open_videos

CLASSES = ("fast", "still")


@pytest.fixture(scope="module")
def parts():
    """Training and test clips of two classes, with four clips each."""
    return [
        open_videos("moving-shapes", split=split, frames=4, size=43, clips_per_class=4, classes=CLASSES)
        for split in ("train", "test")
    ]
