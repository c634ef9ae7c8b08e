"""A short timeout of the caller's own process group does not affect a run."""

import subprocess
import sys

SCRIPT = """
import datetime, time
import torch.distributed as dist
from dfs_store.condense.runtime.ranks import Ranks

dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=1))
ranks = Ranks.current()
assert ranks == Ranks.current()
found = ranks.from_first(lambda: time.sleep(4) or "prepared")
assert found == "prepared"
assert ranks.totals([1, ranks.rank]) == [2, 1]
assert ranks.gather(ranks.rank) == ([0, 1] if ranks.is_first else None)
assert list(ranks.in_order(iter([ranks.rank] * 2))) == ([0, 0, 1, 1] if ranks.is_first else [])
print("done")
dist.destroy_process_group()
"""


def test_the_first_process_may_take_longer_than_the_callers_timeout(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 2


DEATH = """
import os, sys
import torch.distributed as dist
from dfs_store.condense.runtime.ranks import Ranks

rank = int(sys.argv[2])
dist.init_process_group("gloo", init_method=sys.argv[1], rank=rank, world_size=3)
if rank == 1:
    os._exit(1)
Ranks.current()
"""


def test_a_process_that_dies_before_the_group_exists_is_noticed_at_once(tmp_path):
    command = [sys.executable, "-c", DEATH, f"file://{tmp_path / 'meeting'}"]
    ranks = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True) for rank in range(3)]
    said = [rank.communicate(timeout=60)[1] for rank in ranks]
    assert all("LostRankError: another process of this run ended early" in said[rank] for rank in (0, 2))
