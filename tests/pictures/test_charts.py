"""Charts, checked by their matplotlib artists."""

import numpy as np
import pytest

from dfs_store.errors import SettingsError
from dfs_store.pictures.charts import (
    chart_bytes,
    cosine_map,
    insertion_timeline,
    storage_per_class,
)
from dfs_store.pictures.drawing import DARK
from dfs_store.pictures.phases import Phases

STEPS = np.array([-1, 20, -1, -1, 30, -1, 30, -1], np.int32)
POSITIONS = np.array([0, 3, 7, 0, 5, 7, 5, 7], np.uint16)


def test_the_timeline_has_a_dot_per_step_and_position():
    labels = np.zeros(STEPS.size, np.int64)
    figure = insertion_timeline(STEPS, POSITIONS, 3, 8, Phases(10, 40, 50), ["a"], labels)
    above, below = figure.axes
    (dots,) = above.collections
    assert dots.get_offsets().tolist() == [[20.5, 3], [30.5, 5]]
    assert dots.get_sizes()[1] > dots.get_sizes()[0]  # two insertions in one dot
    assert [text.get_text() for text in above.texts] == ["warm-up", "cool-down"]
    grown = below.patches[0].get_data()
    assert grown.values.tolist() == pytest.approx([5 / 3, 6 / 3, 7 / 3, 8 / 3])
    assert grown.edges.tolist() == [0, 21, 31, 31, 50]


def test_the_dots_of_a_timeline_have_the_colours_of_their_classes():
    labels = np.array([0, 0, 0, 1, 1, 1, 3, 3])
    figure = insertion_timeline(STEPS, POSITIONS, 3, 8, None, ["run", "sit", "nobody", "wave"], labels)
    dots = figure.axes[0].collections
    assert [found.get_offsets().data.round(2).tolist() for found in dots] == [
        [[20.5, 2.77]],
        [[30.5, 5.0]],
        [[30.5, 5.23]],  # beside the dot of the other class
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["run", "sit", "wave"]
    assert len({tuple(found.get_facecolor()[0]) for found in dots}) == 3


def test_a_timeline_of_many_classes_has_no_legend():
    labels = np.arange(22)
    steps, positions = np.full(22, 5, np.int32), np.full(22, 3, np.uint16)
    figure = insertion_timeline(steps, positions, 22, 8, None, [f"class {n}" for n in labels], labels)
    assert figure.legends == []
    (dots,) = figure.axes[0].collections
    assert dots.get_offsets().tolist() == [[5.5, 3]]


def test_a_run_that_never_inserted_has_no_timeline():
    with pytest.raises(SettingsError, match="no key frame was inserted"):
        insertion_timeline(np.full(4, -1, np.int32), POSITIONS[:4], 2, 8, None, ["a"], np.zeros(4, np.int64))


@pytest.mark.parametrize("number", [1, 3, 60, 61, 400])
def test_every_class_has_a_bar(number):
    names = [f"class {label}" for label in range(number)]
    sizes = np.arange(number) * 2**20
    figure = storage_per_class(names, sizes, np.full(number, 400 * 2**20), theme=DARK)
    bars = [bar.get_width() for axes in figure.axes for bar in axes.patches]
    assert bars == sorted(range(number), reverse=True)
    labels = [tick.get_text() for axes in figure.axes for tick in axes.get_yticklabels()]
    assert labels == names[::-1]


def test_the_cosine_map_averages_steps_too_close_to_distinguish():
    cosines = np.full((1200, 4), np.nan)
    cosines[:, 1] = np.arange(1200)
    cosines[::2, 2] = 6.0
    (image,) = cosine_map(np.arange(100, 1300), cosines, [(110, 1)], 0.0).axes[0].collections
    shown = image.get_array()
    assert shown.shape == (4, 600)
    assert shown[1, :2].tolist() == [0.5, 2.5]
    assert (shown[2] == 6).all()
    assert np.ma.getmaskarray(shown)[0].all()


def test_a_run_without_cosines_has_no_map():
    with pytest.raises(SettingsError, match="--watch"):
        cosine_map(np.empty(0, np.int64), np.empty((0, 8)), [], 0.0)


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_chart_is_written_in_the_chosen_format(suffix, magic):
    figure = storage_per_class(["a $x$"], np.array([1]), np.array([2]))
    assert chart_bytes(figure, suffix).startswith(magic)
