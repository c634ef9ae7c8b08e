"""The film of how clips were made, and the mark of late insertions."""

from dataclasses import replace

import numpy as np

from dfs_store.pictures.contact_sheet import SheetStyle, contact_sheet
from dfs_store.pictures.drawing import step_colour
from dfs_store.pictures.making import Moment, making_frames
from dfs_store.pictures.phases import Phases
from tests.pictures.making import clip

PHASES = Phases(20, 100, 100)


def count(image, colour):
    return int((np.asarray(image) == np.array(colour, np.uint8)).all(-1).sum())


def test_late_insertions_are_marked():
    early, late = clip([0, 3, 7], [-1, 79, -1]), clip([0, 3, 7], [-1, 80, -1])
    assert PHASES.late_from == 80
    style = SheetStyle(steps=100)
    for each, marked in ((early, False), (late, True)):
        sheet = contact_sheet([replace(each, late_from=80)], style)
        plain = contact_sheet([each], style)
        step = 79 if each is early else 80
        more = count(sheet, step_colour(step / 99)) - count(plain, step_colour(step / 99))
        assert (more > 30) == marked  # a corner of the tile
        # The legend has the colour of the last step at the end of the ramp and in the corner mark.
        last = step_colour(1.0)
        assert (count(sheet, last) > count(plain, last) + 30) == marked


def test_key_frames_appear_where_and_when_they_were_inserted():
    moments = [
        Moment(0, [clip([0, 7], [-1, -1])]),
        Moment(50, [clip([0, 3, 7], [-1, 40, -1])]),
        Moment(100, [clip([0, 3, 5, 7], [-1, 40, 90, -1])]),
    ]
    frames = list(making_frames(moments, PHASES, SheetStyle(steps=100, heading="made up"), fps=2))
    assert len(frames) == 1 + 1 + 4  # the last one is shown for two seconds
    assert len({frame.size for frame in frames}) == 1
    assert all(side % 2 == 0 for side in frames[0].size)
    bar = 60  # the height of the header above the sheet
    for share, seen in ((40 / 99, [False, True, True]), (90 / 99, [False, False, True])):
        border = step_colour(share)
        above = [count(frame.crop((0, 0, frame.width, bar)), border) > 0 for frame in frames[:3]]
        below = [count(frame.crop((0, bar, *frame.size)), border) > 100 for frame in frames[:3]]
        assert above == below == seen


def test_a_run_without_insertion_has_one_phase():
    assert list(Phases(0, 0, 50).named()) == [("matching", 0, 50)]
    assert list(PHASES.named()) == [("warm-up", 0, 20), ("insertion", 20, 100)]
    moments = [Moment(0, [clip([0, 7])]), Moment(50, [clip([0, 7])])]
    assert len(list(making_frames(moments, Phases(0, 0, 50), SheetStyle(), fps=1))) == 3
