"""Contact sheets, checked by their pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfs_store.pictures import SheetStyle, contact_sheet, sheet_pages
from dfs_store.pictures.drawing import DARK, LIGHT, step_colour
from tests.pictures.making import clip, tiles

GREY = (200, 200, 200)


def test_key_frames_keep_their_colour_and_the_others_are_dimmed():
    sheet = contact_sheet([clip([0, 3, 7])])
    assert tiles(sheet, GREY) == 3
    dimmed = tuple(round(255 + 0.3 * (200 - 255)) for _ in range(3))
    assert tiles(sheet, dimmed) >= 1  # the tiles may touch


@pytest.mark.parametrize(("rebuilt", "in_full"), [("dim", 2), ("blank", 2), ("noise", 2), ("full", 8)])
def test_rebuilt_frames_are_shown_as_chosen(rebuilt, in_full):
    sheet = contact_sheet([clip([0, 7])], SheetStyle(rebuilt=rebuilt))
    assert tiles(sheet, GREY) == in_full


def test_a_row_gives_the_numbers_of_key_frames_and_frames():
    assert clip([0, 2, 3, 5, 7]).count_text == "5 key frames, 8 frames"
    assert clip([0], num_frames=4).count_text == "1 key frame, 4 frames"


def test_noise_is_reproducible():
    one, other = (contact_sheet([clip([0, 7])], SheetStyle(rebuilt="noise")) for _ in range(2))
    assert np.array_equal(np.asarray(one), np.asarray(other))


def test_a_border_has_the_colour_of_its_step():
    style = SheetStyle(steps=101)
    sheet = contact_sheet([clip([0, 3, 7], [-1, 50, -1])], style)
    pixels = (np.asarray(sheet) == np.array(step_colour(0.5), np.uint8)).all(-1).sum()
    assert pixels > 4 * 3 * 60
    assert (np.asarray(contact_sheet([clip([0, 7], [-1, -1])], style)) == step_colour(0.5)).all(-1).sum() == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_background_has_the_colour_of_the_theme(theme):
    sheet = contact_sheet([clip([0])], SheetStyle(theme=theme, heading="a store"))
    assert sheet.getpixel((0, 0)) == theme.background


@pytest.mark.parametrize("num_frames", [2, 16, 24, 25, 64, 300])
def test_clips_of_any_length_fit_on_a_page(num_frames):
    sheet = contact_sheet([clip([0, num_frames - 1], num_frames=num_frames, height=112, width=112)])
    assert sheet.width <= 1920
    assert tiles(sheet, GREY) == 2


@pytest.mark.parametrize("size", [(1, 1), (6, 5), (48, 48), (112, 112), (240, 320), (1080, 1920)])
def test_frames_of_any_size_become_legible_tiles(size):
    sheet = contact_sheet([clip([0, 7], height=size[0], width=size[1])])
    assert 480 <= sheet.width <= 1920
    assert sheet.height < 400


def test_class_names_of_any_kind_are_drawn():
    for name in ("", "a" * 500, "Ünïcödé", "日本", "two\nlines", "\x00"):
        assert contact_sheet([clip([0], name=name)]).width <= 1920


@given(st.integers(1, 3000), st.integers(2, 100), st.integers(1, 300), st.none() | st.integers(1, 50))
def test_every_clip_is_on_exactly_one_page(num_clips, num_frames, side, rows):
    pages = sheet_pages(num_clips, (num_frames, side, side), rows)
    assert [clip for page in pages for clip in page] == list(range(num_clips))
    assert max(map(len, pages)) - min(map(len, pages)) <= 1
    if rows is not None:
        assert max(map(len, pages)) <= rows


@pytest.mark.parametrize("num_clips", [3, 500])
def test_no_page_is_too_tall(num_clips):
    (page, *_) = pages = sheet_pages(num_clips, (16, 112, 112))
    sheet = contact_sheet([clip([0, 15], num_frames=16, height=112, width=112)] * len(page))
    assert sheet.height < 2600
    assert len(pages) == (1 if num_clips == 3 else -(-num_clips // len(page)))
