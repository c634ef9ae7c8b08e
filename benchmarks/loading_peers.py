"""Compares the speed of DFSLoader and DFSDataset with other ways of loading clips.

    pip install 'dfs-store[bench]'
    python benchmarks/loading_peers.py [--workers 2] [--rounds 4]

All yield the same shuffled batches of 64 clips of 3x16x112x112 float32 with labels, from local files in the
page cache: dense clips in a memory map behind a DataLoader with the default collate, MosaicML Streaming
(MDS), webdataset (.npy in tar), and 16-frame MP4 of 112x112 through decord. Without workers, they take turns
batch by batch in one process. With workers, each runs whole epochs, one after another, and the time per batch
excludes starting the workers. Peers that are not installed are skipped with a message.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from stores import write_store
from torch.utils.data import DataLoader, Dataset, RandomSampler

from dfs_store import DFSDataset, DFSLoader, open_store

NUM_CLIPS, BATCH_SIZE, NUM_FRAMES, SHAPE = 256, 64, 16, (3, 112, 112)
EPOCH_BATCHES = 24  # more than the workers read ahead


class DenseClips(Dataset):
    """Dense float32 clips in a memory map."""

    def __init__(self, path, labels):
        self._path, self._labels, self._clips = path, labels, np.load(path, mmap_mode="c")

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, index):
        return torch.from_numpy(self._clips[index]), self._labels[index]


class Videos(Dataset):
    """One MP4 per clip, decoded with decord."""

    def __init__(self, paths, labels):
        self._paths, self._labels = paths, labels

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, index):
        import decord

        pixels = decord.VideoReader(str(self._paths[index])).get_batch(range(NUM_FRAMES)).asnumpy()
        return torch.from_numpy(pixels).permute(3, 0, 1, 2).float().div_(255), self._labels[index]


def batches_of(dataset, workers):
    sampler = RandomSampler(dataset, num_samples=EPOCH_BATCHES * BATCH_SIZE)
    return DataLoader(dataset, BATCH_SIZE, sampler=sampler, num_workers=workers)


def dense_peer(folder, clips, labels):
    np.save(folder / "clips.npy", clips)
    dataset = DenseClips(folder / "clips.npy", labels)
    return lambda workers: batches_of(dataset, workers)


def streaming_peer(folder, clips, labels):
    from streaming import MDSWriter, StreamingDataset

    kind = "ndarray:float32:" + ",".join(str(side) for side in clips.shape[1:])
    with MDSWriter(out=str(folder / "mds"), columns={"clip": kind, "label": "int"}) as writer:
        for clip, label in zip(clips, labels, strict=True):
            writer.write({"clip": clip, "label": label})
    dataset = StreamingDataset(local=str(folder / "mds"), shuffle=True, batch_size=BATCH_SIZE)
    # Its worker processes can wait for one another forever.
    return lambda workers: DataLoader(dataset, BATCH_SIZE, num_workers=workers, timeout=20 if workers else 0)


def webdataset_peer(folder, clips, labels):
    import webdataset

    with webdataset.ShardWriter(str(folder / "clips-%04d.tar"), maxcount=len(clips) // 4) as writer:
        for number, (clip, label) in enumerate(zip(clips, labels, strict=True)):
            writer.write({"__key__": f"{number:06d}", "clip.npy": clip, "label.cls": label})
    shards = sorted(str(path) for path in folder.glob("clips-*.tar"))

    def make(workers):
        dataset = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=0)
        dataset = (
            dataset.repeat(EPOCH_BATCHES * BATCH_SIZE // len(clips))
            .shuffle(len(clips))
            .decode()
            .to_tuple("clip.npy", "label.cls")
        )
        return DataLoader(dataset, BATCH_SIZE, num_workers=workers)

    return make


def decord_peer(folder, clips, labels):
    import av
    import decord  # noqa: F401 - fails here if it is not installed

    paths = [folder / f"{number}.mp4" for number in range(len(clips))]
    pixels = np.clip(clips * 40 + 128, 0, 255).astype(np.uint8).transpose(0, 2, 3, 4, 1)
    for path, frames in zip(paths, pixels, strict=True):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = *SHAPE[1:], "yuv420p"
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")))
            container.mux(stream.encode(None))
    dataset = Videos(paths, labels)
    return lambda workers: batches_of(dataset, workers)


def packed_batches(packed, workers):
    for batch in batches_of(packed, workers):
        yield packed.rebuild(batch)


PEERS = {
    "dense memory map": dense_peer,
    "MosaicML Streaming": streaming_peer,
    "webdataset": webdataset_peer,
    "decord, MP4": decord_peer,
}


def endless(make):
    while True:
        yield from make()


def take_turns(ways, rounds):
    """Returns the median seconds per batch of each way, one batch of each in turn."""
    iterators = {name: endless(lambda make=make: make(0)) for name, make in ways.items()}
    times = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, iterator in iterators.items():
            start = time.perf_counter()
            batch = next(iterator)
            elapsed = time.perf_counter() - start
            clips = batch["clip"] if isinstance(batch, dict) else batch[0]
            assert tuple(clips.shape) == (BATCH_SIZE, SHAPE[0], NUM_FRAMES, *SHAPE[1:]), clips.shape
            if turn > 0:
                times[name].append(elapsed)
    return {name: statistics.median(found) for name, found in times.items()}


def whole_epochs(ways, rounds, workers):
    """Returns the seconds per batch of each way over whole epochs with workers; the median of the rounds."""
    times = {}
    for name, make in ways.items():
        try:
            times[name] = statistics.median([epoch_seconds(make(workers)) for _ in range(rounds)])
        except RuntimeError as error:  # MosaicML Streaming 0.13 beside a newer filelock
            print(f"\n{name} with workers: left out, {str(error).splitlines()[-1]}")
    return times


def epoch_seconds(loader):
    iterator = iter(loader)
    next(iterator)
    start, count = time.perf_counter(), 0
    for _ in iterator:
        count += 1
    return (time.perf_counter() - start) / count


def show(title, times, ours):
    print(f"\n{title}")
    for name, elapsed in times.items():
        print(f"  {name:<28} {elapsed * 1e3:8.1f} ms per batch, {elapsed / times[ours]:6.1f} times {ours}'s")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder / "store.zarr", NUM_CLIPS, NUM_FRAMES, SHAPE)
        with open_store(folder / "store.zarr") as store:
            clips = np.stack([store.clip(number).transpose(1, 0, 2, 3) for number in range(len(store))])
            labels = store.labels.tolist()
        dataset = DFSDataset(folder / "store.zarr")
        packed = dataset.packed()
        ways = {
            "DFSLoader": lambda _workers: DFSLoader(dataset, BATCH_SIZE, shuffle=True),
            "DFSDataset in a DataLoader": lambda workers: batches_of(dataset, workers),
            "DFSDataset.packed()": lambda workers: packed_batches(packed, workers),
        }
        for peer, prepare in PEERS.items():
            try:
                (folder / peer).mkdir()
                ways[peer] = prepare(folder / peer, clips, labels)
            except ImportError as error:
                print(f"{peer}: left out, {error}; pip install 'dfs-store[bench]'")
        del clips
        print(f"{BATCH_SIZE} clips of {NUM_FRAMES} frames {SHAPE}, {torch.get_num_threads()} threads")
        show("one process, in turns", take_turns(ways, arguments.rounds), "DFSLoader")
        del ways["DFSLoader"]  # it has no workers
        times = whole_epochs(ways, max(1, arguments.rounds // 3), arguments.workers)
        show(f"{arguments.workers} workers", times, "DFSDataset in a DataLoader")
    return 0


if __name__ == "__main__":
    sys.exit(main())
