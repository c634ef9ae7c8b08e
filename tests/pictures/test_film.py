"""Films, checked after decoding."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from dfs_store.errors import SettingsError
from dfs_store.pictures import FilmCell, film_bytes, film_frames
from dfs_store.pictures.drawing import LIGHT, step_colour
from tests.pictures.making import clip


def test_a_gif_has_a_frame_per_position_and_loops():
    film = Image.open(io.BytesIO(film_bytes(film_frames([FilmCell(clip([0, 7]))]), ".gif", 10)))
    assert film.n_frames == 8
    assert film.info["duration"] == 100
    assert film.info["loop"] == 0


@pytest.mark.parametrize(("fps", "repeats"), [(8, 4), (2, 1), (25 / 4, 4)])
def test_an_mp4_plays_at_the_rate_for_four_seconds_or_more(fps, repeats):
    data = film_bytes(film_frames([FilmCell(clip([0, 3, 7]))]), ".mp4", fps)
    with av.open(io.BytesIO(data)) as film:
        stream = film.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(fps)
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(film.decode(stream))
    assert len(frames) == 8 * repeats
    middle = frames[0].to_ndarray(format="rgb24")[80, 40]
    assert np.abs(middle.astype(int) - 200).max() < 8


def test_a_film_has_a_legend_that_fits():
    """The legend has the colours of steps if key frames were inserted, and more lines in narrow films."""
    heights = []
    for clips in ([clip([0, 7])], [clip([0, 3, 7], [-1, 5, -1])], [clip([0, 3, 7], [-1, 5, -1])] * 9):
        image = next(film_frames([FilmCell(each) for each in clips]))
        pixels = np.asarray(image)
        last_row = (pixels != LIGHT.background).any(-1).any(-1)[:-12].nonzero()[0].max()
        heights.append(image.height - last_row)
        late = np.array(step_colour(1.0), np.uint8)
        inserted = clips[0].inserted_at is not None
        assert ((pixels[-100:] == late).all(-1).any()) == inserted
        assert (pixels[:, -4:] == LIGHT.background).all()
    assert all(height < 30 for height in heights)


def test_the_mark_moves_along_the_strip():
    frames = [np.asarray(image) for image in film_frames([FilmCell(clip([0, 7]))])]
    marks = [(frame[:-40] == LIGHT.text).all(-1).nonzero()[1].mean() for frame in frames]
    assert marks == sorted(marks)
    assert marks[-1] - marks[0] > 100


def test_the_real_clip_is_beside_the_rebuilt_one():
    real = np.full((8, 20, 30, 3), (10, 120, 30), np.uint8)
    image = np.asarray(next(film_frames([FilmCell(clip([0, 7]), real, "real.avi")])))
    assert (image == (10, 120, 30)).all(-1).sum() == (image == (200, 200, 200)).all(-1).sum() > 0


@pytest.mark.parametrize("number", [1, 2, 3, 9, 16])
def test_the_sides_of_a_grid_are_even(number):
    image = next(film_frames([FilmCell(clip([0, 7], height=21, width=33))] * number))
    assert image.width % 2 == image.height % 2 == 0


@pytest.mark.parametrize("fps", [0, -1, 61, float("nan")])
def test_an_invalid_rate_is_refused(fps):
    with pytest.raises(SettingsError, match="--fps must be between"):
        film_bytes(film_frames([FilmCell(clip([0]))]), ".gif", fps)


def test_an_unknown_suffix_is_refused():
    with pytest.raises(SettingsError, match=r"\.gif or \.mp4"):
        film_bytes(film_frames([FilmCell(clip([0]))]), ".avi", 8)


def test_large_frames_are_downscaled():
    image = next(film_frames([FilmCell(clip([0, 7], height=1080, width=1920))]))
    assert image.width < 520


def test_a_gif_that_would_take_gigabytes_is_refused_and_an_mp4_is_not():
    frame = Image.new("RGB", (2000, 2000))
    with pytest.raises(SettingsError, match=r"write an \.mp4"):
        film_bytes((frame for _ in range(100)), ".gif", 8)
    assert film_bytes((Image.new("RGB", (320, 320)) for _ in range(400)), ".mp4", 8)
