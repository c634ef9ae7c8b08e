"""No sum in the library has an order that a GPU may choose.

The tests on a simulated GPU check what runs (`Work.in_any_order`); this test checks the source code.
"""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "dfs_store"
# Of torch.use_deterministic_algorithms: atomic additions on CUDA, forward or backward.
ANY_ORDER = re.compile(
    r"\.(index_add|scatter_add|scatter_reduce|index_reduce|put_|histc|kthvalue|grid_sample)_?\("
    r"|torch\.(bincount|cumsum|histc|median)\("
    r"|(AvgPool3d|AdaptiveAvgPool|AdaptiveMaxPool|FractionalMaxPool|MaxUnpool|ReflectionPad|ReplicationPad|"
    r"Upsample|EmbeddingBag|CTCLoss|NLLLoss2d)"
)
KNOWN = {"networks/mean_pool.py": ["AvgPool3d"] * 3}  # on the CPU alone


def test_operators_whose_sums_have_no_fixed_order_are_not_used():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        names = [each.group(0) for each in ANY_ORDER.finditer(text)] if "torch" in text else []
        if names:
            found[path.relative_to(PACKAGE).as_posix()] = names
    assert found == KNOWN
