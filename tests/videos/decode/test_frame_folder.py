"""Clips stored as folders of images, read in the order of their numbers."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageOps

from dfs_store import open_videos
from dfs_store.errors import DecodeError, EmptyClassError
from dfs_store.exchange.exports.encode import encode_png
from dfs_store.videos.decode.decoding import decode_clip
from dfs_store.videos.decode.frame_folder import pictures_of
from dfs_store.videos.decode.picture import read_picture
from dfs_store.videos.decode.sampling import Sampling
from tests.videos.making import frame_of, grey_frames, make_video

FOUR = {"frames": 4, "stride": 1, "size": 8, "folder_layout": "classes"}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))


def make_pictures(folder, num_frames=12, name="frame_{}.png"):
    """Writes one PNG per frame, with a grey of value 5n for frame n. The numbers have no leading zeros."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(grey_frames(num_frames)):
        (folder / name.format(number)).write_bytes(encode_png(picture))
    return folder


def test_images_are_ordered_by_their_numbers(tmp_path):
    for name in ("left", "right"):
        make_pictures(tmp_path / "videos" / name / "clip0")
    videos = open_videos(tmp_path / "videos", frames=12, stride=1, size=8)
    assert videos.labels.tolist() == [0, 1]
    assert [frame_of(picture) for picture in videos.pixels[0, 0]] == list(range(12))
    assert videos.source(0) == {"file": "left/clip0", "frames": list(range(12))}


def test_the_pixels_are_those_of_the_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        (tmp_path / f"{number}.png").write_bytes(encode_png(picture))
    sampling = Sampling(frames=3, stride=1, size=16, resize="direct")
    clip = decode_clip(str(tmp_path), sampling, lambda length, fps: np.arange(length)[None])
    assert np.array_equal(clip.pixels[0], pixels)
    assert clip.decoder == "pictures"


def test_a_changed_image_is_decoded_again(tmp_path):
    folder = make_pictures(tmp_path / "videos" / "left" / "clip0", 4)
    before = open_videos(tmp_path / "videos", **FOUR).pixels.copy()
    (folder / "frame_2.png").write_bytes(encode_png(grey_frames(9)[8]))
    after = open_videos(tmp_path / "videos", **FOUR).pixels
    assert [frame_of(picture) for picture in before[0, 0]] == [0, 1, 2, 3]
    assert [frame_of(picture) for picture in after[0, 0]] == [0, 1, 8, 3]


def test_jpeg_images_are_recognised_whatever_their_names(tmp_path):
    import cv2

    for number, picture in enumerate(grey_frames(4)):
        done, data = cv2.imencode(".jpg", picture)
        assert done
        (tmp_path / f"{number}.png").write_bytes(data.tobytes())
    assert [frame_of(read_picture(path)[0].to_ndarray(format="rgb24")) for path in pictures_of(tmp_path)] == [
        0,
        1,
        2,
        3,
    ]


def test_thumbnails_beside_videos_are_not_clips(tmp_path):
    make_video(tmp_path / "videos" / "left" / "a.avi")
    make_pictures(tmp_path / "videos" / "left" / "thumbs")
    assert len(open_videos(tmp_path / "videos", **FOUR)) == 1


def test_damaged_images_are_named_and_skipped(tmp_path):
    make_pictures(tmp_path / "videos" / "left" / "good", 4)
    for name, data in (("cut", b"\x89PNG\r\n\x1a\n"), ("text", b"hello")):
        (make_pictures(tmp_path / "videos" / "left" / name, 4) / "frame_1.png").write_bytes(data)
    other = make_pictures(tmp_path / "videos" / "left" / "sizes", 4)
    (other / "frame_1.png").write_bytes(encode_png(grey_frames(2, 20, 20)[1]))
    videos = open_videos(tmp_path / "videos", **FOUR)
    assert len(videos) == 1
    reasons = {failure["file"]: failure["reason"] for failure in videos.failed}
    assert "frame_1.png" in reasons["left/cut"]
    assert "not a PNG, JPEG, BMP, WebP or TIFF image" in reasons["left/text"]
    assert "the same size, got 48 x 36 and 20 x 20" in reasons["left/sizes"]


def test_other_files_are_not_images(tmp_path):
    folder = tmp_path / "videos" / "left" / "clip0"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("x")
    os.mkfifo(folder / "frame_0.png")
    (folder / ".hidden.png").write_bytes(b"x")
    with pytest.raises(EmptyClassError):
        open_videos(tmp_path / "videos", folder_layout="classes")
    with pytest.raises(DecodeError, match="no PNG, JPEG, BMP, WebP or TIFF images"):
        decode_clip(str(folder), Sampling(frames=2), lambda length, fps: np.arange(length)[None])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_rotated_by_their_exif_orientation(tmp_path, suffix, orientation):
    stored = np.zeros((48, 64, 3), dtype=np.uint8)
    stored[:24, :32], stored[:24, 32:], stored[24:, :32] = 250, 160, 70
    exif = Image.Exif()
    exif[0x112] = orientation
    with Image.fromarray(stored) as picture:
        for number in range(2):
            picture.save(tmp_path / f"{number}.{suffix}", exif=exif)
    with Image.open(tmp_path / f"0.{suffix}") as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        shown = np.asarray(upright.resize((16, 16), Image.Resampling.BOX)).astype(int)
    sampling = Sampling(frames=2, stride=1, size=16, resize="direct")
    clip = decode_clip(str(tmp_path), sampling, lambda length, fps: np.arange(length)[None])
    assert np.abs(clip.pixels[0, 0] - shown).mean() < 8


def test_bmp_images_and_damaged_metadata(tmp_path):
    for number, picture in enumerate(grey_frames(3)):
        Image.fromarray(picture).save(tmp_path / f"{number}.bmp")
    hurt = io.BytesIO()
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(grey_frames(4)[3]).save(hurt, "jpeg", exif=exif)
    data = hurt.getvalue()
    place = data.index(b"Exif") + 6
    (tmp_path / "3.jpg").write_bytes(data[:place] + bytes(4) + data[place + 4 :])
    sampling = Sampling(frames=4, stride=1, size=16, resize="direct")
    clip = decode_clip(str(tmp_path), sampling, lambda length, fps: np.arange(length)[None])
    assert [frame_of(picture) for picture in clip.pixels[0]] == [0, 1, 2, 3]
