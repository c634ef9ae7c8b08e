"""Clips are read in the forms in which condensation projects save them, or rejected with a clear error."""

import re
from argparse import Namespace
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store.errors import DFSError, SettingsError, UnreadableClipsError
from dfs_store.exchange.imports.read_file import FileOptions, read_file

N, T, C, H, W = 4, 5, 3, 6, 7
X = torch.from_numpy(np.random.default_rng(0).normal(size=(N, T, C, H, W)).astype(np.float32))
Y = torch.tensor([1, 0, 1, 2])
ONE_HOT = torch.nn.functional.one_hot(Y, 3)


def read(tmp_path, content, *, legacy=False, protocol=2, **options):
    path = tmp_path / "c.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    dense = read_file(path, FileOptions(**options))
    return np.stack(list(dense.clips())), dense.labels, dense


class Args:
    def __init__(self):
        self.lr, self.models = 0.1, ["ConvNet3D"]


LAST, CLASSES = X + 1, "per class"
READ = {
    "DatasetCondensation": ({"data": [[X, Y]], "accs_all_exps": {"ConvNet": [np.float64(0.5)]}}, X, Y, None),
    "five experiments": ({"data": [[X, Y], [X, Y], [LAST, Y]], "accs_all_exps": {}}, LAST, Y, "the last"),
    "steps with labels": ([{"images": X, "labels": Y}, {"images": LAST, "labels": Y}], LAST, Y, "the last"),
    "steps, one label list": ({"images": [X, LAST], "labels": Y}, LAST, Y, "the last"),
    "numpy": ({"images": X.numpy(), "labels": Y.numpy()}, X, Y, None),
    "numpy, Fortran order": ({"images": np.asfortranarray(X.numpy()), "labels": Y.numpy()}, X, Y, None),
    "numpy names": ({"images": X.numpy(), "labels": np.array(["b", "a", "b", "c"])}, X, Y, None),
    "numpy object names": ({"images": X, "labels": np.array(["b", "a", "b", "c"], dtype=object)}, X, Y, None),
    "requires grad": ({"syn": X.clone().requires_grad_(), "labels": Y}, X, Y, None),
    "parameter": ({"syn": torch.nn.Parameter(X), "label": torch.nn.Parameter(Y.float())}, X, Y, None),
    "not contiguous": ({"x": X.transpose(3, 4).contiguous().transpose(3, 4), "y": Y}, X, Y, None),
    "part of a storage": ({"x": torch.cat([LAST, X])[N:], "y": Y}, X, Y, None),
    "pairs": ([(X[i], int(Y[i])) for i in range(N)], X, Y, None),
    "pairs, 0-d": ([(X[i], Y[i]) for i in range(N)], X, Y, None),
    "pairs, NumPy": ([[X[i].numpy(), np.int64(Y[i])] for i in range(N)], X, Y, None),
    "pairs, (1,)": ([(X[i], Y[i : i + 1]) for i in range(N)], X, Y, None),
    "pairs, names": ([(X[i], "babc"[i]) for i in range(N)], X, Y, None),
    "pairs, one-hot": ([(X[i], ONE_HOT[i]) for i in range(N)], X, Y, None),
    "pairs of batches of one": ([(X[i : i + 1], Y[i : i + 1]) for i in range(N)], X, Y, None),
    "records": ([{"video": X[i], "label": int(Y[i])} for i in range(N)], X, Y, None),
    "list of frames": ({"clips": [list(clip) for clip in X], "labels": Y}, X, Y, None),
    "list of floats": ({"clips": X, "labels": [1.0, 0.0, 1.0, 2.0]}, X, Y, None),
    "list of one-hot": ({"clips": X, "labels": ONE_HOT.tolist()}, X, Y, None),
    "list of 0-d": ({"clips": X, "labels": list(Y)}, X, Y, None),
    "one-hot": ({"clips": X, "labels": ONE_HOT.float()}, X, Y, None),
    "(N, 1)": ({"clips": X, "labels": Y[:, None]}, X, Y, None),
    "bool": ({"clips": X, "labels": Y > 0}, X, torch.tensor([1, 0, 1, 1]), None),
    "per class": ({1: X[1:2], 0: X[:1], 2: X[2:]}, X[[1, 0, 2, 3]], (1, 0, 2, 2), CLASSES),
    "per class, default": (defaultdict(list, {0: [X[0]], 1: [X[1], X[2], X[3]]}), X, (0, 1, 1, 1), CLASSES),
    "per class, names": ({"run": X[:1], "jump": X[1:]}, X, (1, 0, 0, 0), "per class"),
    "per class, list": ([X[:1], X[1:]], X, (0, 1, 1, 1), CLASSES),
    "per class, inside": ({"images": OrderedDict({"0": X[:1], "1": X[1:]})}, X, (0, 1, 1, 1), CLASSES),
    "images among others": ({"images": X, "start": LAST, "labels": Y}, X, Y, "not start"),
    "from 1": ({"x": X, "y": Y + 1}, X, Y + 1, "class_0.*labels - 1"),
    "an object beside it": ({"args": Namespace(lr=0.1), "x": X, "y": Y}, X, Y, None),
    "an object around it": (Namespace(x=X, y=Y), X, Y, None),
    "a dataset": (torch.utils.data.TensorDataset(X, Y), X, Y, None),
    "attributes": ({"args": Args(), "device": torch.device("cpu"), "x": X, "y": Y}, X, Y, None),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("kind", ["zip", "legacy", "protocol 5"])
def test_files_written_by_condensation_projects_are_read(tmp_path, name, kind):
    content, clips, labels, said = READ[name]
    found, numbers, dense = read(
        tmp_path, content, legacy=kind == "legacy", protocol=5 if kind == "protocol 5" else 2
    )
    assert np.array_equal(found, clips.numpy())
    names = [dense.class_names[number] for number in numbers]
    assert numbers == [int(each) for each in labels] or names == ["b", "a", "b", "c"][: len(names)]
    if said is None:
        assert dense.notes == []
    else:
        assert re.search(said, " ".join(dense.notes)), dense.notes


REFUSED = {
    "soft labels": ({"x": X, "labels": ONE_HOT * 0.8 + 0.1}, {}, r"soft labels.*argmax"),
    "many-hot": ({"x": X, "labels": torch.ones(N, 3)}, {}, r"soft labels"),
    "half classes": ({"x": X, "labels": Y + 0.5}, {}, r"whole numbers"),
    "labels per frame": ({"x": X, "labels": torch.zeros(N, T).long()}, {}, r"soft labels"),
    "lengths": ([(X[0], 0), (X[1, :3], 1)], {}, r"the same shape.*cut or repeat"),
    "lengths, per class": ({0: X, 1: X[:, :3]}, {}, r"the same shape"),
    "images per class": ({0: X[0], 1: X[1]}, {}, r"a clip or a set of images.*--layout"),
    "labelled images": ({"data": [[X[0], torch.tensor([0, 1, 2, 3, 4])]]}, {}, r"labelled images"),
    "images": ({"images": X[0], "labels": torch.arange(T)}, {}, r"four axes may be images"),
    "integers": ({"images": X.long(), "labels": Y}, {}, r"uint8 \(0 to 255\)"),
    "steps": ({1000: X, 2000: LAST}, {}, r"--clips-key 1000"),
    "versions": ({"best": X, "last": LAST, "labels": Y}, {}, r"several arrays.*--clips-key"),
    "different labels": ([(X, Y), (LAST, Y.flip(0))], {}, r"--clips-key 0\.0"),
    "keys and counts": ({0: X, 1: LAST}, {"clips_per_class": 2}, r"dictionary of clips.*--clips-key 0"),
    "memories": ({"static": X, "dynamic": X[:, :, :1], "labels": Y}, {}, r"static and dynamic memories"),
    "one frame, NTCHW": ({"x": X[:, :1], "y": Y}, {}, r"--layout NTCHW \(1 frames.*--layout NCTHW"),
    "one frame, NCTHW": ({"x": X[:, :1].transpose(1, 2), "y": Y}, {}, r"--layout NTCHW .*--layout NCTHW"),
    "one frame, NTHWC": ({"x": X[:, :1].permute(0, 1, 3, 4, 2), "y": Y}, {}, r"--layout NTHWC \(1 frames"),
    "one frame, asked": ({"x": X[:, :1], "y": Y}, {"layout": "NTCHW"}, r"\(1, 16, 1, 1, 1\).*--key-frames 1"),
    "one frame, channels first": (
        {"x": X[:, :1].transpose(1, 2), "y": Y}, {"layout": "NCTHW"}, r"repeat\(1, 1, 16, 1, 1\)"
    ),
    "three and three": ({"x": X[:, :3], "y": Y}, {}, r"--layout NTCHW"),
    "height three": ({"x": X.permute(0, 1, 3, 4, 2)[:, :, :3], "y": Y}, {}, r"--layout NTHWC"),
    "two names": ({"x": X, "y": Y}, {"classes": "a,b"}, r"there are 2 class names"),
    "from 1 with names": ({"x": X, "y": Y + 1}, {"classes": "a,b,c"}, r"start at 1; save labels - 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_contents_are_rejected(tmp_path, name):
    content, options, said = REFUSED[name]
    with pytest.raises((SettingsError, UnreadableClipsError), match=said):
        read(tmp_path, content, **options)


def test_parts_can_be_selected_by_name(tmp_path):
    data = {"data": [[X, Y], [LAST, Y.flip(0)]]}
    assert np.array_equal(read(tmp_path, data, clips_key="data.0.0")[0], X.numpy())
    assert read(tmp_path, data, clips_key="data.0.0")[1] == Y.tolist()
    assert read(tmp_path, data)[1] == Y.flip(0).tolist()
    assert read(tmp_path, {0: X[0], 1: X[1]}, layout="NTCHW")[1] == [0, 1]
    assert read(tmp_path, {0: X, 1: LAST}, clips_key="1", clips_per_class=4)[1] == [0] * 4
    (tmp_path / "images_best.pt").write_bytes((tmp_path / "c.pt").read_bytes())
    torch.save(X, tmp_path / "images_best.pt")
    torch.save(Y, tmp_path / "labels_best.pt")
    with pytest.raises(SettingsError, match=r"--labels .*labels_best\.pt"):
        read_file(tmp_path / "images_best.pt", FileOptions())


TENSORS = {
    "tensor": lambda x: x,
    "array": lambda x: x.numpy(),
    "parameter": lambda x: torch.nn.Parameter(x, requires_grad=x.is_floating_point()),
    "strided": lambda x: torch.stack([x, x], -1)[..., 1],
}
LABELS = {
    "tensor": lambda y: torch.tensor(y),
    "array": lambda y: np.array(y),
    "floats": lambda y: torch.tensor(y, dtype=torch.float64),
    "list": lambda y: y,
    "column": lambda y: torch.tensor(y)[:, None],
    "one-hot": lambda y: torch.nn.functional.one_hot(torch.tensor(y), max(*y, 1) + 1),
    "names": lambda y: [f"class_{each:02}" for each in y],
}
CONTAINERS = {
    "dictionary": lambda x, y: {"image_syn": x, "label_syn": y},
    "pair": lambda x, y: [x, y],
    "experiments": lambda x, y: {"data": [[x, y]], "accs_all_exps": {"net": [np.float32(0.5)]}},
    "clip and label": lambda x, y: list(zip(x, y, strict=True)),
    "records": lambda x, y: [{"clip": clip, "label": label} for clip, label in zip(x, y, strict=True)],
    "list of clips": lambda x, y: {"clips": list(x), "labels": y},
}
AXES = {"NTCHW": (0, 1, 2, 3, 4), "NCTHW": (0, 2, 1, 3, 4), "NTHWC": (0, 1, 3, 4, 2)}
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    container=st.sampled_from(sorted(CONTAINERS)),
    form=st.sampled_from(sorted(TENSORS)),
    label_form=st.sampled_from(sorted(LABELS)),
    axes=st.sampled_from(sorted(AXES)),
    dtype=st.sampled_from([*FLOATS, torch.uint8]),
    legacy=st.booleans(),
)
def test_any_container_dtype_label_form_and_layout_gives_the_same_clips(
    tmp_path_factory, data, container, form, label_form, axes, dtype, legacy
):
    labels = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=5))
    known = sorted(set(labels))
    labels = [known.index(each) for each in labels]  # no class is empty
    frames, channels = data.draw(st.integers(4, 6)), data.draw(st.sampled_from([1, 3]))
    generator = torch.Generator().manual_seed(len(labels))
    clips = torch.randint(0, 200, (len(labels), frames, channels, 5, 7), generator=generator).to(dtype)
    if form == "array" and dtype == torch.bfloat16:
        form = "tensor"
    tensor = TENSORS[form](clips.permute(AXES[axes]))
    path = tmp_path_factory.mktemp("form") / "c.pt"
    content = CONTAINERS[container](tensor, LABELS[label_form](labels))
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    dense = read_file(path, FileOptions())
    assert np.array_equal(np.stack(list(dense.clips())).astype(np.float64), clips.double().numpy())
    assert dense.labels == labels
    assert dense.provenance["source"]["layout"] == axes
    assert dense.are_pixels == (dtype == torch.uint8)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), start=st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
def test_random_bytes_are_rejected_with_the_name_of_the_file(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("bytes") / "c.pt"
    path.write_bytes(start + data)
    with pytest.raises(DFSError, match=r"c\.pt"):
        read_file(path, FileOptions())
