"""Shows how each error of the library occurs: one real scene per class, run in an empty folder.

The catalogue of errors (docs/errors.md) shows what these scenes raise.
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from dfs_store import DFSDataset, StoreWriter, errors, open_store, open_videos
from dfs_store.condense import CondenseConfig, condense
from tests.cli.conftest import write_store
from tests.videos.making import make_video

RUN = {
    "out": "shapes.zarr", "dataset": "moving-shapes", "vpc": 1, "iterations": 2, "batch_real": 2,
    "frames": 6, "size": 43, "classes": ("fast", "slow"), "device": "cpu",
}  # fmt: skip


def shapes():
    return open_videos("moving-shapes", frames=6, size=43, clips_per_class=3, classes=RUN["classes"])


def append(key_frames, positions):
    with StoreWriter("ucf.zarr", num_frames=8, frame_shape=(3, 6, 5), class_names=["a"]) as writer:
        writer.append(key_frames, positions, label=0)


def a_cache_entry_that_is_not_there():
    from dfs_store.videos.cache.entries import remove_entry

    remove_entry("ucf101-train-1234")


def a_wrong_setting():
    CondenseConfig(out="ucf.zarr", dataset="miniucf", vpc=0)


def positions_that_do_not_reach_the_end():
    append(np.zeros((2, 3, 6, 5), dtype=np.float32), [0, 5])


def key_frames_of_another_shape():
    append(np.zeros((2, 3, 6, 6), dtype=np.float32), [0, 7])


def a_clip_of_gigabytes():
    frame = np.zeros((1, 3, 128, 96), dtype=np.float32)
    with StoreWriter("ucf.h5", num_frames=65_536, frame_shape=frame.shape[1:], class_names=["a"]) as writer:
        writer.append(frame, [0], label=0)
    open_store("ucf.h5").clip(0)


def an_output_that_is_there():
    write_store(Path("ucf.zarr"))
    write_store(Path("ucf.zarr"))


def an_output_in_no_folder():
    write_store(Path("stores/ucf.zarr"))


def a_store_that_is_not_there():
    open_store("ufc.zarr")


def a_server_that_does_not_answer():
    open_store("http://127.0.0.1:9/ucf.zarr")  # port 9: nothing listens there


def a_file_that_is_no_store():
    Path("ucf.h5").write_text("not a store")
    open_store("ucf.h5")


def a_flipped_byte():
    write_store(Path("ucf.h5"))
    with open_store("ucf.h5") as store:
        frame = store.stored_frames(0, 1).tobytes()
    content = bytearray(Path("ucf.h5").read_bytes())
    content[content.index(frame)] ^= 1
    Path("ucf.h5").write_bytes(content)
    DFSDataset("ucf.h5")


def a_store_of_the_future():
    write_store(Path("ucf.zarr"))
    metadata = json.loads(Path("ucf.zarr/zarr.json").read_text())
    metadata["attributes"]["dfs_store"]["format_version"] = "2.0"
    Path("ucf.zarr/zarr.json").write_text(json.dumps(metadata))
    open_store("ucf.zarr")


def a_dataset_that_is_not_there():
    open_videos("vidoes")


def a_class_without_clips():
    make_video(Path("videos/train/jump/1.avi"))
    Path("videos/train/run").mkdir()
    open_videos("videos")


def a_file_that_is_no_video():
    from dfs_store.videos.decode.decoding import decode_clip
    from dfs_store.videos.decode.sampling import Sampling

    Path("clip.avi").write_text("not a video")
    decode_clip("clip.avi", Sampling(), lambda *_: np.zeros(1, dtype=np.int64))


def a_checkpoint_of_other_settings():
    def stop(event):
        if type(event).__name__ == "StepDone":
            raise KeyboardInterrupt

    try:
        condense(CondenseConfig(**RUN, seed=1), shapes(), on_event=stop)
    except KeyboardInterrupt:
        condense(CondenseConfig(**RUN, seed=2, resume=True), shapes())


def a_loss_that_leaps():
    condense(CondenseConfig(**{**RUN, "iterations": 20}, lr=1e6), shapes())


def more_memory_than_there_is():
    from dfs_store.condense.runtime.steps import _REMEDY
    from dfs_store.networks.out_of_memory import out_of_memory_named

    with out_of_memory_named(_REMEDY):
        torch.empty(2**55)


def a_disk_that_is_too_small():
    from dfs_store.condense.runtime.disk import DiskNeed, check_disk

    check_disk("ucf.zarr", DiskNeed(least=2**60, most=2**61))


def a_rank_that_has_ended():
    import torch.distributed as dist

    from dfs_store.condense.runtime.ranks import Ranks

    join = "import sys, torch.distributed as d; from dfs_store.condense.runtime.ranks import Ranks; "
    join += "d.init_process_group('gloo', init_method=sys.argv[1], rank=1, world_size=2); Ranks.current()"
    meeting = f"file://{Path('meeting').absolute()}"
    other = subprocess.Popen([sys.executable, "-c", join, meeting])
    dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=2)
    try:
        ranks = Ranks.current()  # makes a group, for which both must be there
        other.wait()
        ranks.totals([0])
    finally:
        dist.destroy_process_group()


class Hostile:
    def __reduce__(self):
        return print, ("hacked",)


def a_file_that_would_run_code():
    from dfs_store.exchange import import_clips

    torch.save(Hostile(), "synthetic.pt")
    import_clips("synthetic.pt", "synthetic.zarr")


def a_library_that_is_not_installed():
    from dfs_store.evaluate.motion import mean_flow

    with hidden("cv2"):
        mean_flow([np.zeros((2, 3, 8, 8), np.float32)])


@contextmanager
def hidden(module):
    """Makes a module appear not to be installed."""
    before = sys.modules.get(module)
    sys.modules[module] = None
    try:
        yield
    finally:
        del sys.modules[module]
        if before is not None:
            sys.modules[module] = before


SCENES = {
    errors.DFSError: a_cache_entry_that_is_not_there,
    errors.SettingsError: a_wrong_setting,
    errors.PositionsError: positions_that_do_not_reach_the_end,
    errors.ClipError: key_frames_of_another_shape,
    errors.ClipTooLargeError: a_clip_of_gigabytes,
    errors.OutputExistsError: an_output_that_is_there,
    errors.OutputNotWritableError: an_output_in_no_folder,
    errors.StoreNotFoundError: a_store_that_is_not_there,
    errors.StoreUnreachableError: a_server_that_does_not_answer,
    errors.NotAStoreError: a_file_that_is_no_store,
    errors.DamagedStoreError: a_flipped_byte,
    errors.NewerFormatError: a_store_of_the_future,
    errors.DatasetNotFoundError: a_dataset_that_is_not_there,
    errors.EmptyClassError: a_class_without_clips,
    errors.DecodeError: a_file_that_is_no_video,
    errors.UnreadableClipsError: a_file_that_would_run_code,
    errors.CheckpointError: a_checkpoint_of_other_settings,
    errors.DivergedError: a_loss_that_leaps,
    errors.OutOfMemoryError: more_memory_than_there_is,
    errors.DiskFullError: a_disk_that_is_too_small,
    errors.LostRankError: a_rank_that_has_ended,
    errors.MissingDependencyError: a_library_that_is_not_installed,
}
