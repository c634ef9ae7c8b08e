"""Invalid, inconsistent and hostile videos are decoded or reported."""

import os
import shutil
import socket
import struct
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from dfs_store import open_videos
from dfs_store.errors import SettingsError
from dfs_store.videos.decode.pool import Limits
from tests.videos.making import frame_of, make_folder, make_sound, make_video, motion_jpeg, turn_clockwise

MOTION_JPEG_HEAD = b"\xff\xc0"


def claims_in_the_container(path):
    data = bytearray(make_video(path).read_bytes())
    place, head = data.index(b"strf") + 12, data.index(b"avih") + 8 + 32
    data[place : place + 8] = data[head : head + 8] = struct.pack("<ii", 10_000, 10_000)
    path.write_bytes(data)


def claims_in_the_frames(path):
    data, place = bytearray(motion_jpeg(path, 64, 64).read_bytes()), -1
    while (place := data.find(MOTION_JPEG_HEAD, place + 1)) >= 0:
        data[place + 5 : place + 9] = struct.pack(">HH", 60_000, 60_000)
    path.write_bytes(data)


def variable_rate(path):
    """Writes frames at intervals of 7 ms and 400 ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 48, 36, "yuv420p", 2_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        time = 0
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((36, 48, 3), number * 5, np.uint8), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            time += 7 if number % 3 else 400
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def counts_that_lie(path):
    """Writes a header that states 2,147,483,647 frames."""
    data = bytearray(make_video(path).read_bytes())
    place = data.index(b"avih") + 8 + 16
    data[place : place + 4] = struct.pack("<I", 2**31 - 1)
    place = data.index(b"strh") + 8 + 32
    data[place : place + 4] = struct.pack("<I", 2**31 - 1)
    path.write_bytes(data)


def changes_its_size(path):
    """Writes frames of 32 x 32 pixels after frames of 64 x 64."""
    large, small = motion_jpeg(path.with_name("l.avi"), 64, 64), motion_jpeg(path.with_name("s.avi"), 32, 32)
    starts = [file.read_bytes().index(b"movi") for file in (large, small)]
    begin, end = large.read_bytes(), small.read_bytes()[starts[1] + 4 :]
    path.write_bytes(begin + end)
    large.unlink(), small.unlink()


def text_of(text):
    return lambda path: path.write_text(text.replace("HERE", str(path.parent)))


# Words of the error that each file leads to, or None if it is decoded.
HOSTILE = {
    "empty.avi": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text.mp4": (text_of("This is no video."), "not a video|its format is not supported"),
    "picture.avi": (
        lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        "not a video|not supported",
    ),
    "head.avi": (
        lambda path: path.write_bytes(make_video(path).read_bytes()[:3000]),
        "not a video|no frame can be decoded",
    ),
    "cut.avi": (lambda path: path.write_bytes(make_video(path, 48).read_bytes()[:-4000]), None),
    "wrong-name.mp4": (lambda path: shutil.move(make_video(path.with_suffix(".avi")), path), None),
    "noise.avi": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(50_000)),
        "not a video|its format is not supported|no video stream|no frame",
    ),
    "sound.mkv": (make_sound, "no video stream"),
    "rotated.mp4": (lambda path: turn_clockwise(make_video(path)), None),
    "variable.mkv": (variable_rate, None),
    "counts.avi": (counts_that_lie, None),
    "claims-container.avi": (claims_in_the_container, None),
    "claims-frames.avi": (claims_in_the_frames, "no frame can be decoded"),
    "changes.avi": (changes_its_size, None),
    "list.avi": (text_of("ffconcat version 1.0\nfile good.avi\n"), "list of other files"),
    "list-absolute.avi": (text_of("ffconcat version 1.0\nfile HERE/good.avi\n"), "list of other files"),
    "playlist.mp4": (text_of("#EXTM3U\n#EXTINF:10,\nHERE/good.avi\n#EXT-X-ENDLIST\n"), "list of other files"),
    "session.mp4": (
        text_of("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        "none of|not a video",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    make_folder(root, classes=("good",), clips=2)
    (root / "bad").mkdir()
    make_video(root / "bad" / "good.avi")
    for name, (make, _) in HOSTILE.items():
        make(root / "bad" / name)
    # Pipes and devices are never opened.
    os.mkfifo(root / "bad" / "pipe.avi")
    (root / "bad" / "folder.avi").mkdir()
    (root / "bad" / "loop.avi").symlink_to("loop.avi")
    (root / "bad" / "device.avi").symlink_to("/dev/zero")
    return root


@pytest.fixture(scope="module")
def videos(folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return open_videos(
        folder, frames=4, stride=1, size=32, workers=2, cache_dir=cache, folder_layout="classes"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_video_is_decoded_or_named(videos, name):
    failed = {each["file"]: each["reason"] for each in videos.failed}
    reason = HOSTILE[name][1]
    if reason is None:
        assert f"bad/{name}" not in failed, failed[f"bad/{name}"]
        assert f"bad/{name}" in {videos.source(number)["file"] for number in range(len(videos))}
    else:
        assert any(word in failed[f"bad/{name}"] for word in reason.split("|")), failed[f"bad/{name}"]


def test_other_videos_are_decoded_correctly_beside_them(videos):
    for number in range(len(videos)):
        source = videos.source(number)
        if source["file"].rpartition("/")[2] in (
            "good.avi",
            "clip0.avi",
            "clip1.avi",
            "variable.mkv",
            "counts.avi",
        ):
            seen = [frame_of(picture) for picture in videos.pixels[number, 0]]
            assert seen == list(source["frames"]), source["file"]


def test_no_other_file_is_read(videos, folder):
    known = {f"bad/{name}" for name in HOSTILE} | {"bad/good.avi", "good/clip0.avi", "good/clip1.avi"}
    read = {videos.source(number)["file"] for number in range(len(videos))}
    assert read | {each["file"] for each in videos.failed} == known


def test_a_playlist_does_not_connect_to_a_server(tmp_path):
    # HLS and DASH, which are recognised by their content
    called = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"

        def listen():
            for _ in range(200):
                try:
                    server.accept()[0].close()
                    called.append(True)
                except TimeoutError:
                    if done.is_set():
                        return

        done = threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        make_folder(tmp_path / "v", classes=("a",), clips=1)
        (tmp_path / "v/a/b.mp4").write_text(f"#EXTM3U\n#EXTINF:10,\n{address}\n#EXT-X-ENDLIST\n")
        (tmp_path / "v/a/c.ts").write_text(f"\n#EXTM3U\n#EXTINF:10,\n{address}\n#EXT-X-ENDLIST\n")
        (tmp_path / "v/a/d.mp4").write_text(
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
            f"<AdaptationSet><Representation><BaseURL>{address}</BaseURL></Representation></AdaptationSet></Period></MPD>"
        )
        found = open_videos(
            tmp_path / "v",
            frames=4,
            size=32,
            stride=1,
            workers=1,
            folder_layout="classes",
            cache_dir=tmp_path / "c",
        )
        done.set()
        thread.join()
    assert len(found) == 1
    assert len(found.failed) == 3
    assert not called


def test_little_memory_means_fewer_processes_or_is_refused(tmp_path):
    assert Limits.of(None, 1.0, 2**28).workers == 1
    assert Limits.of(None, 1.0, 2**28).process_bytes(10) == 2**28
    make_folder(tmp_path / "v", classes=("a",), clips=1)
    with pytest.raises(SettingsError, match="3 decoding processes, got 1,000"):
        open_videos(
            tmp_path / "v", workers=3, max_memory=1000, folder_layout="classes", cache_dir=tmp_path / "c"
        )


def box(name, *contents):
    content = b"".join(contents)
    return struct.pack(">I", 8 + len(content)) + name + content


def with_external_data(data, target):
    """Returns a MOV file whose track refers to samples in another file with an old Macintosh alias."""
    path = str(target).encode()
    alias = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12) + b"\x05x.mov".ljust(64, b"\0") + bytes(16)
    alias += bytes(4 + 16)  # no levels, so the path is absolute
    padded = path + bytes(len(path) % 2)
    alias += struct.pack(">HH", 2, len(path)) + padded + struct.pack(">Hh", 0xFFFF, 0)
    entry = b"alis" + bytes(4) + alias
    made = box(b"dref", bytes(4), struct.pack(">I", 1), struct.pack(">I", 4 + len(entry)), entry)
    start = data.index(b"dref") - 4
    old = int.from_bytes(data[start : start + 4], "big")
    grown = bytearray(data)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = data.rindex(name, 0, start) - 4
        size = int.from_bytes(data[place : place + 4], "big") + len(made) - old
        grown[place : place + 4] = struct.pack(">I", size)
    return bytes(grown[:start]) + made + bytes(grown[start + old :])


def test_a_movie_does_not_show_the_data_of_another_file(tmp_path):
    other, movie = tmp_path / "other.mov", tmp_path / "v" / "a" / "x.mov"
    movie.parent.mkdir(parents=True)
    with av.open(str(other), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for number in range(8):
            picture = np.full((32, 32, 3), number * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    movie.write_bytes(with_external_data(other.read_bytes(), other))
    # FFmpeg follows the reference if that is allowed, so the file is a valid attack.
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(movie), options=allowed) as container:
        assert len(list(container.decode(video=0))) == 8
    make_video(movie.with_name("good.avi"))
    found = open_videos(
        tmp_path / "v",
        frames=4,
        size=32,
        stride=1,
        workers=1,
        folder_layout="classes",
        cache_dir=tmp_path / "c",
    )
    assert [each["file"] for each in found.failed] == ["a/x.mov"], found.failed
    assert len(found) == 1
