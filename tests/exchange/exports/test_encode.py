"""Videos and images decode to the encoded pixels."""

import io

import av
import numpy as np
import pytest

from dfs_store.errors import SettingsError
from dfs_store.exchange.exports.encode import check_fps, encode_png, encode_video
from tests.exchange.making import smooth_pixels


def decoded(data):
    with av.open(io.BytesIO(data)) as container:
        rate = container.streams.video[0].average_rate
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (6, 7), (48, 64)])
def test_lossless_videos_are_exact_at_any_size(size):
    pixels = np.random.default_rng(0).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    again, rate = decoded(encode_video(pixels, 6.25, "lossless"))
    assert np.array_equal(again, pixels)
    assert rate == 6.25


@pytest.mark.parametrize("size", [(33, 45), (48, 64)])
def test_lossy_videos_are_close(size):
    pixels = np.rint(smooth_pixels(6, *size) * 255).astype(np.uint8).transpose(0, 2, 3, 1).copy()
    again, rate = decoded(encode_video(pixels, 8, "h264"))
    assert again.shape == pixels.shape
    assert rate == 8
    psnr = 10 * np.log10(255**2 / np.mean((again.astype(float) - pixels) ** 2))
    assert psnr > (43 if size == (33, 45) else 36)  # even sizes have colours at half the resolution


def test_images_are_exact():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decoded(encode_png(picture))[0][0], picture)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 1e9])
def test_unsupported_frame_rates_are_rejected(fps):
    with pytest.raises(SettingsError, match="--fps"):
        check_fps(fps)
