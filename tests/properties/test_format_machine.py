"""A store goes through appends, closing, reopening and copies in any order, beside a plain list."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dfs_store import testing
from dfs_store.errors import ClipError
from dfs_store.format import copy_store, open_store
from dfs_store.format.coded.encoder import encode_clip
from dfs_store.format.coded.encoding import parse_encoding
from dfs_store.format.coded.levels import pixel_levels
from dfs_store.format.quantization import decode, encode
from tests.format.making import ENCODINGS, open_writer

SHAPE, NUM_FRAMES = (3, 4, 3), 6
clips = testing.key_frame_sets(num_frames=NUM_FRAMES, frame_shape=SHAPE)


class StoreMachine(RuleBasedStateMachine):
    """`written` is the plain list of a finished store, `pending` that of the writer that is open."""

    @initialize(
        stored=st.sampled_from(("float32", "float16", "uint8", *ENCODINGS)),
        suffix=st.sampled_from(("zarr", "h5")),
    )
    def start(self, stored, suffix):
        self.folder = Path(tempfile.mkdtemp())
        self.encoding = parse_encoding(stored) if stored in ENCODINGS else None
        self.dtype, self.number = None if self.encoding else stored, 0
        self.path = self.folder / f"0.{suffix}"
        self.store = self.writer = None
        self.written, self.pending = [], []

    def stored_as(self):
        encoding = None if self.encoding is None else str(self.encoding)
        return {"dtype": self.dtype, "encoding": encoding, "frame_shape": SHAPE}

    @precondition(lambda self: self.writer is None)
    @rule()
    def open_for_writing(self):
        self.writer = open_writer(self.path, overwrite=True, **self.stored_as()).__enter__()
        self.pending = []

    @precondition(lambda self: self.writer is not None)
    @rule(clip=clips, label=st.integers(0, 1))
    def append(self, clip, label):
        self.writer.append(clip.key_frames, clip.positions, label)
        if self.encoding is None:
            frames = decode(*encode(clip.key_frames, self.dtype))
        else:
            levels = pixel_levels(None, 3)
            frames = levels.zero[:, None, None] + levels.scale[:, None, None] * np.float32(
                encode_clip(clip.key_frames, self.encoding, levels).levels
            )
        self.pending.append((frames.tobytes(), clip.positions.tolist(), label))

    @precondition(lambda self: self.writer is not None)
    @rule(clip=clips)
    def append_a_clip_that_is_refused(self, clip):
        try:
            self.writer.append(np.full_like(clip.key_frames, np.nan), clip.positions, 0)
        except ClipError:
            return
        raise AssertionError("values that are not finite were taken")

    @precondition(lambda self: self.writer is not None and self.pending)
    @rule()
    def finish(self):
        self.writer.__exit__(None, None, None)
        self.written, self.writer, self.store = self.pending, None, None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def give_up(self):
        self.writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        self.writer = None

    @precondition(lambda self: self.written)
    @rule()
    def reopen(self):
        if self.store is not None:
            self.store.close()
        self.store = open_store(self.path)

    @precondition(lambda self: self.written and self.writer is None)
    @rule(suffix=st.sampled_from(("zarr", "h5")), compression=st.sampled_from((None, "gzip")))
    def copy(self, suffix, compression):
        self.number += 1
        target = self.folder / f"{self.number}.{suffix}"
        copy_store(self.path, target, compression=None if self.encoding else compression)
        self.path, self.store = target, None

    @invariant()
    def the_store_holds_the_list(self):
        if not self.written:
            assert not self.path.exists()
            return
        store = self.store or open_store(self.path)
        found = [
            (store.key_frames(clip).tobytes(), store.positions(clip).tolist(), int(store.labels[clip]))
            for clip in range(len(store))
        ]
        assert found == self.written

    @invariant()
    def nothing_but_stores_is_visible(self):
        assert {entry.suffix for entry in self.folder.iterdir() if not entry.name.startswith(".")} <= {
            ".zarr",
            ".h5",
        }

    def teardown(self):
        if self.writer is not None:
            self.writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert not [entry for entry in self.folder.iterdir() if entry.name.startswith(".")]
        shutil.rmtree(self.folder)


StoreMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
TestStoreMachine = StoreMachine.TestCase
