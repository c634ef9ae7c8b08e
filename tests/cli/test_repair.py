"""`dfs repair` prints what it saved and what it left out."""

import json

from tests.format.copying.test_repair import flip_frame
from tests.format.making import content


def test_the_command_lists_the_clips_left_out(tmp_path, dfs):
    path, out = tmp_path / "s.zarr", tmp_path / "saved.h5"
    content().write(path)
    flip_frame(path, 0)
    outcome = dfs("repair", path, out)
    assert outcome.code == 1
    assert "clip 0 (left)" in outcome.stdout
    assert "saved.h5: 3 intact clips, 1 left out" in outcome.stdout
    assert dfs("repair", path, out).code == 2
    again = dfs("repair", path, out, "--overwrite", "--json")
    document = json.loads(again.stdout)
    assert (again.code, document["schema"], document["num_clips"]) == (1, "dfs.repair/1", 3)
    assert [each["clip"] for each in document["left_out"]] == [0]
