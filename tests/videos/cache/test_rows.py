import contextlib
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.videos.cache import rows
from dfs_store.videos.cache.entries import HEADER_BYTES, clips_header
from dfs_store.videos.cache.rows import Journal, drop_rows, reserve

ROW_SHAPE = (1, 2, 2, 2, 3)
ROW_BYTES = 24


class KilledError(Exception):
    """Simulates a kill between two steps."""


class MortalJournal(Journal):
    """A journal that simulates a kill before or after it writes its n-th entry."""

    steps_left = 10**9
    writes_first = True

    def append(self, lines):
        if self.steps_left == 0 and not self.writes_first:
            raise KilledError
        super().append(lines)
        if self.steps_left == 0:
            raise KilledError
        self.steps_left -= 1


def clip_file(folder, num_rows):
    path = folder / "clips.npy"
    descriptor = reserve(path, num_rows, ROW_SHAPE)
    pixels = np.repeat(np.arange(num_rows, dtype=np.uint8), ROW_BYTES).reshape(num_rows, *ROW_SHAPE)
    os.pwrite(descriptor, pixels.tobytes(), HEADER_BYTES)
    return path, descriptor, pixels


def test_a_reserved_file_is_a_numpy_file_of_zeros(tmp_path):
    descriptor = reserve(tmp_path / "clips.npy", 5, ROW_SHAPE)
    os.close(descriptor)
    clips = np.load(tmp_path / "clips.npy", mmap_mode="r")
    assert clips.shape == (5, *ROW_SHAPE)
    assert not clips.any()


def test_the_disk_is_reserved_at_once(tmp_path):
    os.close(reserve(tmp_path / "clips.npy", 50_000, ROW_SHAPE))
    assert (tmp_path / "clips.npy").stat().st_blocks * 512 >= 50_000 * ROW_BYTES


def test_reserving_again_keeps_the_content(tmp_path):
    path, descriptor, pixels = clip_file(tmp_path, 7)
    os.close(descriptor)
    os.close(reserve(path, 7, ROW_SHAPE))
    assert np.array_equal(np.load(path), pixels)


@pytest.mark.parametrize("shape", [(0, 1, 2, 8, 8, 3), (1, 1, 2, 8, 8, 3), (10**12, 4, 65536, 4096, 4096, 3)])
def test_the_header_always_has_the_same_length(shape):
    header = clips_header(shape)
    assert len(header) == HEADER_BYTES
    assert str(shape).encode() in header


@settings(max_examples=60, deadline=None)
@given(data=st.data(), num_rows=st.integers(1, 12), batch_rows=st.integers(1, 5), writes_first=st.booleans())
def test_dropped_rows_are_removed_in_order_whenever_the_run_is_killed(
    tmp_path_factory, data, num_rows, batch_rows, writes_first
):
    folder = tmp_path_factory.mktemp("rows")
    dropped = sorted(data.draw(st.sets(st.integers(0, num_rows - 1))))
    path, descriptor, pixels = clip_file(folder, num_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_STAGE_BYTES", batch_rows * ROW_BYTES)
        for steps in data.draw(st.lists(st.integers(0, 6), max_size=3)):
            journal = MortalJournal(folder / "journal")
            journal.steps_left, journal.writes_first = steps, writes_first
            with contextlib.suppress(KilledError):
                drop_rows(descriptor, ROW_BYTES, dropped, num_rows, journal)
            journal.close()
        journal = Journal(folder / "journal")
        drop_rows(descriptor, ROW_BYTES, dropped, num_rows, journal)
        journal.close()
    kept = np.delete(pixels, dropped, axis=0)
    assert np.array_equal(np.load(path)[: len(kept)], kept)
    os.close(descriptor)


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 200))
def test_a_journal_is_read_up_to_the_first_incomplete_line(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "journal"
    journal = Journal(path)
    lines = [{"row": n, "note": "ü" * n} for n in range(6)]
    journal.append(lines)
    journal.close()
    path.write_bytes(path.read_bytes()[:cut])
    again = Journal(path)
    assert again.lines == lines[: len(again.lines)]
    again.append([{"row": 99}])
    again.close()
    last = Journal(path)
    assert last.lines == [*again.lines, {"row": 99}]
    last.close()
