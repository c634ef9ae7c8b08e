"""Compares stores of image files with other ways of loading clips: clips per second, bytes per clip.

    pip install webdataset litdata
    python benchmarks/loading_coded.py ../shared/data/ucf101-10/UCF-101 --make-peers /tmp/peers
    python benchmarks/loading_coded.py ../shared/data/ucf101-10/UCF-101 --peer-python /tmp/peers/bin/python

Every clip is 16 frames of 112x112 of a real video. Stores contain its frames 0, 7 and 15 as key frames, the
others all 16 frames: MDS (mosaicml-streaming), webdataset and litdata as JPEG of quality 75, H.264 (CRF 23)
through PyAV. All yield shuffled batches of float32 (B, 3, 16, 112, 112) in [0, 1]. A process with one thread
(taskset -c 0 pins it) measures a few seconds of each way in turn, --rounds times; the medians are printed.
mosaicml-streaming needs numpy < 2.2, so it runs in a separate environment: --make-peers makes one that uses
this environment's other packages, and --peer-python selects one. Peers that are not installed are omitted.

"disk" means in_memory=False with no decoded frames in the cache, as for a store that is much larger than the
cache.
"""

import argparse
import io
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

NUM_FRAMES, SIDE, KEYS, QUALITY = 16, 112, (0, 7, 15), 75
WARM_BATCHES = 2


def read_clips(root, num_clips):
    """Returns the first 16 frames of each video at stride 2, (N, 16, 112, 112, 3) uint8, cropped."""
    import av

    clips = np.empty((num_clips, NUM_FRAMES, SIDE, SIDE, 3), np.uint8)
    paths = sorted(root.rglob("*.avi"))
    if not paths:
        raise SystemExit(f"{root}: there are no .avi files")
    paths = paths[:: max(1, len(paths) // num_clips)]
    for number in range(num_clips):
        with av.open(str(paths[number % len(paths)])) as container:
            frames = itertools.islice(container.decode(video=0), 0, 2 * NUM_FRAMES, 2)
            images = [frame.to_ndarray(format="rgb24") for frame in frames]
        top, left = (images[0].shape[0] - SIDE) // 2, (images[0].shape[1] - SIDE) // 2
        for place in range(NUM_FRAMES):
            image = images[min(place, len(images) - 1)]
            clips[number, place] = image[top : top + SIDE, left : left + SIDE]
    return clips


def as_jpeg(frames):
    files = [io.BytesIO() for _ in frames]
    for frame, file in zip(frames, files, strict=True):
        Image.fromarray(frame).save(file, "JPEG", quality=QUALITY)
    return [file.getvalue() for file in files]


def as_tensor(pixels):
    return torch.from_numpy(pixels).permute(3, 0, 1, 2).float().div_(255)


def from_jpeg(files):
    return as_tensor(np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files]))


def names_of(number):
    return [f"frame{place:02}" for place in range(number)]


def size_of(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def ours(folder, clips, encoding, kind, in_memory):
    from dfs_store import DFSDataset, DFSLoader, StoreWriter
    from dfs_store.format.coded import frames

    path = folder / "store.zarr"
    if not path.exists():
        settings = {"num_frames": NUM_FRAMES, "frame_shape": (3, SIDE, SIDE), "class_names": ["a"]}
        stored = {"dtype": "uint8"} if encoding is None else {"encoding": encoding}
        with StoreWriter(path, **settings, **stored) as writer:
            for clip in clips:
                key_frames = clip[list(KEYS)].transpose(0, 3, 1, 2).astype(np.float32) / 255
                writer.append(key_frames, KEYS, 0)
    if not in_memory:
        frames._CACHE_BYTES = 0
    start = time.perf_counter()
    dataset = DFSDataset(path, in_memory=in_memory)
    print(
        f"  {encoding or 'uint8'}: in_memory={dataset.in_memory}, "
        f"opened in {time.perf_counter() - start:.2f} s",
        file=sys.stderr,
    )
    if kind == "DFSLoader":
        return lambda batch: DFSLoader(dataset, batch, shuffle=True)
    return lambda batch: DataLoader(dataset, batch, shuffle=True)


def mds(folder, clips):
    from streaming import MDSWriter, StreamingDataset

    columns = dict.fromkeys(names_of(NUM_FRAMES), "bytes") | {"label": "int"}
    with MDSWriter(out=str(folder), columns=columns) as writer:
        for clip in clips:
            writer.write(dict(zip(names_of(NUM_FRAMES), as_jpeg(clip), strict=True)) | {"label": 0})

    class Clips(StreamingDataset):
        def __getitem__(self, index):
            item = super().__getitem__(index)
            return from_jpeg([item[name] for name in names_of(NUM_FRAMES)]), item["label"]

    def make(batch):
        return DataLoader(Clips(local=str(folder), shuffle=True, batch_size=batch), batch)

    return make


def webdataset(folder, clips):
    import webdataset as wds

    with wds.ShardWriter(str(folder / "%04d.tar"), maxcount=max(1, len(clips) // 4), verbose=0) as writer:
        for number, clip in enumerate(clips):
            files = {
                f"{name}.jpg": data for name, data in zip(names_of(NUM_FRAMES), as_jpeg(clip), strict=True)
            }
            writer.write({"__key__": f"{number:06}", "label.cls": 0} | files)
    shards = sorted(str(path) for path in folder.glob("*.tar"))

    def decoded(item):
        return from_jpeg([item[f"{name}.jpg"] for name in names_of(NUM_FRAMES)]), int(item["label.cls"])

    def make(batch):
        found = wds.WebDataset(shards, shardshuffle=len(shards), seed=0).shuffle(1000).map(decoded)
        return DataLoader(found, batch)

    return make


def litdata(folder, clips):
    from litdata import StreamingDataLoader, StreamingDataset
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(folder), chunk_bytes="64MB")
    for number, clip in enumerate(clips):
        item = dict(zip(names_of(NUM_FRAMES), as_jpeg(clip), strict=True))
        writer.add_item(number, item | {"label": 0})
    writer.done()
    writer.merge()

    class Clips(StreamingDataset):
        def __getitem__(self, index):
            item = super().__getitem__(index)
            return from_jpeg([item[name] for name in names_of(NUM_FRAMES)]), item["label"]

    return lambda batch: StreamingDataLoader(Clips(str(folder), shuffle=True), batch_size=batch)


class Videos(Dataset):
    """One H.264 file per clip, decoded with PyAV."""

    def __init__(self, paths):
        self._paths = paths

    def __len__(self):
        return len(self._paths)

    def __getitem__(self, index):
        import av

        with av.open(str(self._paths[index])) as container:
            container.streams.video[0].thread_type = "NONE"
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return as_tensor(np.stack(frames)), 0


def h264(folder, clips):
    import av

    paths = [folder / f"{number:06}.mp4" for number in range(len(clips))]
    for path, clip in zip(paths, clips, strict=True):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "23", "threads": "1"})
            stream.height, stream.width, stream.pix_fmt = SIDE, SIDE, "yuv420p"
            for image in clip:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(stream.encode(None))
    return lambda batch: DataLoader(Videos(paths), batch, shuffle=True)


def our_ways():
    for encoding, kind, in_memory in itertools.product(
        (None, "webp:75", "avif:60"), ("DFSLoader", "DataLoader"), (True, False)
    ):
        name = f"{kind}, {encoding or 'uint8'}, {'memory' if in_memory else 'disk'}"
        yield name, (encoding or "uint8").split(":")[0], encoding, kind, in_memory


PEERS = {"MDS, JPEG": mds, "webdataset, JPEG": webdataset, "litdata, JPEG": litdata, "H.264, PyAV": h264}
ELSEWHERE = ("MDS, JPEG", "litdata, JPEG")  # may run in an environment of their own


def prepare(folder, clips, names):
    """Returns the installed ways by name, as (function that makes a loader, folder)."""
    ways = {}
    for name, place, encoding, kind, in_memory in our_ways():
        if name in names:
            (folder / place).mkdir(exist_ok=True)
            ways[name] = ours(folder / place, clips, encoding, kind, in_memory), folder / place
    for name, prepare_peer in PEERS.items():
        if name in names:
            (folder / name).mkdir()
            try:
                ways[name] = prepare_peer(folder / name, clips), folder / name
            except ImportError as error:
                print(f"{name}: left out, {error}", file=sys.stderr, flush=True)
    return ways


def rate(make, batch_size, seconds):
    """Returns clips per second, measured over whole batches for some seconds after the first ones."""
    batches = itertools.chain.from_iterable(make(batch_size) for _ in itertools.count())
    for _ in range(WARM_BATCHES):
        clips = next(batches)[0]
        assert tuple(clips.shape[1:]) == (3, NUM_FRAMES, SIDE, SIDE), clips.shape
    start, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        count += len(next(batches)[0])
    return count / elapsed


def serve(folder, names):
    """Runs a measurement in another environment for every line read, and answers in lines of JSON."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print
    ways = prepare(folder, np.load(folder / "clips.npy"), names)
    print(json.dumps({name: size_of(path) for name, (_, path) in ways.items()}), file=answers, flush=True)
    for line in sys.stdin:
        name, batch_size, seconds = json.loads(line)
        print(json.dumps(rate(ways[name][0], batch_size, seconds)), file=answers, flush=True)


class Elsewhere:
    """Ways that are measured by a different Python, which runs `serve`."""

    def __init__(self, python, folder):
        command = [python, __file__, "--serve", str(folder), *ELSEWHERE]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        )
        self.sizes = json.loads(self._process.stdout.readline() or "{}")

    def rate(self, name, batch_size, seconds):
        print(json.dumps([name, batch_size, seconds]), file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def make_environment(path):
    """Makes an environment whose packages take precedence over this one's, and returns its Python."""
    venv.create(path, with_pip=True)
    (packages,) = path.glob("lib/python*/site-packages")
    parents = [entry for entry in sys.path if entry.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({parent!r})" for parent in parents]
    (packages / "parent.pth").write_text("\n".join(lines) + "\n")
    python = path / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "mosaicml-streaming>=0.13", "litdata"], check=True)
    return python


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path, nargs="?", help="folder of .avi files")
    parser.add_argument("--clips", type=int, default=700)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", help="Python of an environment with mosaicml-streaming and litdata")
    parser.add_argument("--make-peers", type=Path, help="folder to make such an environment in")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(1)
    if options.serve:
        serve(Path(options.serve[0]), options.serve[1:])
        return 0
    if options.make_peers:
        options.peer_python = make_environment(options.make_peers)
    names = [name for name, *_ in our_ways()] + list(PEERS)
    if options.peer_python:
        names = [name for name in names if name not in ELSEWHERE]
    with tempfile.TemporaryDirectory() as name:
        here, there = Path(name) / "here", Path(name) / "there"
        here.mkdir()
        there.mkdir()
        clips = read_clips(options.videos, options.clips)
        np.save(there / "clips.npy", clips)
        ways = prepare(here, clips, names)
        measure = {name: lambda *rest, make=make: rate(make, *rest) for name, (make, _) in ways.items()}
        sizes = {name: size_of(path) for name, (_, path) in ways.items()}
        other = Elsewhere(str(options.peer_python), there) if options.peer_python else None
        if other is not None:
            sizes |= other.sizes
            measure |= {name: lambda *rest, name=name: other.rate(name, *rest) for name in other.sizes}
        print("measuring", file=sys.stderr, flush=True)
        rates = {name: [] for name in measure}
        for _, (name, run) in itertools.product(range(options.rounds), measure.items()):
            rates[name].append(run(options.batch_size, options.seconds))
        if other is not None:
            other.close()
    show(rates, sizes, options)
    return 0


def show(rates, sizes, options):
    print(f"{options.clips} clips of {NUM_FRAMES} frames of {SIDE}x{SIDE}, one thread; median (range)")
    print(f"{'':<32} {'clips/s':>9} {'':>17} {'bytes/clip':>11}")
    for name, found in rates.items():
        spread = f"({min(found):,.0f} to {max(found):,.0f})"
        print(
            f"{name:<32} {statistics.median(found):>9,.0f} {spread:>17} {sizes[name] / options.clips:>11,.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
