"""Imports preserve every bit, and never run code from a file."""

import hashlib
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store import open_store
from dfs_store.errors import ClipError, DatasetNotFoundError, SettingsError, UnreadableClipsError
from dfs_store.exchange import export_store, import_clips
from dfs_store.exchange.exports.export import ExportSettings
from dfs_store.exchange.imports.fitting import Fitting
from dfs_store.exchange.imports.import_clips import ImportSettings
from dfs_store.exchange.imports.read_file import FileOptions
from dfs_store.exchange.imports.read_folder import FolderOptions
from dfs_store.format.spec import IMAGENET
from dfs_store.testing import stores
from tests.exchange.making import pixels_of, smooth_pixels, write_smooth_store


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFS_CACHE", str(tmp_path / "cache"))


def clips_of(seed=0, count=4, frames=5):
    return torch.from_numpy(
        np.random.default_rng(seed).normal(size=(count, frames, 3, 6, 7)).astype(np.float32)
    )


def imported(path, **options):
    """Imports a file and returns the store."""
    file = {key: options.pop(key) for key in list(options) if key in FileOptions.__dataclass_fields__}
    fitting = {key: options.pop(key) for key in list(options) if key in Fitting.__dataclass_fields__}
    options["fitting"] = Fitting(**fitting)
    out = path.parent / "out.zarr"
    import_clips(path, out, ImportSettings(file=FileOptions(**file), **options), overwrite=True)
    return open_store(out)


def all_clips(store):
    return np.stack([store.clip(number) for number in range(len(store))])


CLIPS, LABELS = clips_of(), torch.tensor([1, 0, 1, 2])
FORMS = {
    "tensor": (CLIPS, {"clips_per_class": 1}, [0, 1, 2, 3]),
    "counted by names": (CLIPS, {"classes": "a,b"}, [0, 0, 1, 1]),
    "dictionary": ({"images": CLIPS, "labels": LABELS}, {}, [1, 0, 1, 2]),
    "field": ({"image_syn": CLIPS, "label_syn": LABELS, "lr": torch.tensor(0.1)}, {}, [1, 0, 1, 2]),
    "pair": ((CLIPS, LABELS), {}, [1, 0, 1, 2]),
    "nested": ({"data": [[CLIPS, LABELS]], "accs": [0.5, 0.6]}, {}, [1, 0, 1, 2]),
    "lists": ({"clips": list(CLIPS), "targets": [1, 0, 1, 2]}, {}, [1, 0, 1, 2]),
    "channels first": ({"x": CLIPS.transpose(1, 2).contiguous(), "y": LABELS}, {}, [1, 0, 1, 2]),
    "a view": ({"x": CLIPS.transpose(1, 2).contiguous().transpose(1, 2), "y": LABELS}, {}, [1, 0, 1, 2]),
    "parameter": ({"syn": torch.nn.Parameter(CLIPS), "labels": LABELS}, {}, [1, 0, 1, 2]),
    "named": ({"a": CLIPS, "b": CLIPS + 1, "l": LABELS}, {"clips_key": "a"}, [1, 0, 1, 2]),
    "float labels": ({"clips": CLIPS, "labels": LABELS.double()}, {}, [1, 0, 1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("legacy", [False, True])
def test_clips_saved_by_scripts_are_stored_bit_by_bit(tmp_path, form, legacy):
    content, options, labels = FORMS[form]
    torch.save(content, tmp_path / "c.pt", _use_new_zipfile_serialization=not legacy)
    store = imported(tmp_path / "c.pt", **options)
    assert np.array_equal(all_clips(store), CLIPS.numpy())
    assert store.labels.tolist() == labels
    assert store.positions(0).tolist() == [0, 1, 2, 3, 4]
    provenance = store.attributes["provenance"]
    assert provenance["method"] == "imported"
    assert provenance["source"]["sha256"] == hashlib.sha256((tmp_path / "c.pt").read_bytes()).hexdigest()
    assert provenance["source"]["layout"] == ("NCTHW" if form == "channels first" else "NTCHW")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path, dtype):
    torch.save(CLIPS.to(dtype), tmp_path / "c.pt")
    store = imported(tmp_path / "c.pt", clips_per_class=2)
    assert np.array_equal(all_clips(store), CLIPS.to(dtype).float().numpy())


@pytest.mark.parametrize("suffix", ["npy", "npz", "compressed.npz", "safetensors"])
def test_numpy_and_safetensors_files_are_read(tmp_path, suffix):
    path = tmp_path / f"c.{suffix}"
    if suffix == "npy":
        np.save(path, CLIPS.numpy())
        np.save(tmp_path / "l.npy", LABELS.numpy())
    elif suffix == "safetensors":
        pytest.importorskip("safetensors")
        from safetensors.torch import save_file

        save_file({"clips": CLIPS, "labels": LABELS}, path, metadata={"class_names": '["x", "y", "z"]'})
    else:
        save = np.savez_compressed if suffix.startswith("comp") else np.savez
        save(path, clips=CLIPS.numpy(), labels=LABELS.numpy(), class_names=["x", "y", "z"])
    store = imported(path, **({"labels": str(tmp_path / "l.npy")} if suffix == "npy" else {}))
    assert np.array_equal(all_clips(store), CLIPS.numpy())
    assert store.labels.tolist() == [1, 0, 1, 2]
    assert store.class_names == (["class_0", "class_1", "class_2"] if suffix == "npy" else ["x", "y", "z"])


def test_labels_can_be_in_a_separate_file(tmp_path):
    torch.save(CLIPS, tmp_path / "c.pt")
    torch.save(LABELS, tmp_path / "l.pt")
    (tmp_path / "l.txt").write_text("run\nsit\nrun\njump\n")
    (tmp_path / "names.txt").write_text("jump\nrun\nsit\n")
    assert imported(tmp_path / "c.pt", labels=str(tmp_path / "l.pt")).labels.tolist() == [1, 0, 1, 2]
    store = imported(tmp_path / "c.pt", labels=str(tmp_path / "l.txt"), classes=str(tmp_path / "names.txt"))
    assert [store.class_names[label] for label in store.labels] == ["run", "sit", "run", "jump"]


def test_pixels_are_normalised_and_floats_are_not(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "c.npy", pixels)
    store = imported(tmp_path / "c.npy", clips_per_class=1)
    assert store.normalization == IMAGENET
    assert np.array_equal(pixels_of(store, 1), pixels[1])
    plain = imported(tmp_path / "c.npy", clips_per_class=1, normalization="none")
    assert plain.normalization is None
    assert np.allclose(plain.clip(0), pixels[0].transpose(0, 3, 1, 2) / 255, atol=1e-6)
    own = imported(tmp_path / "c.npy", clips_per_class=1, normalization="0.5/0.25")
    assert np.array_equal(pixels_of(own, 0), pixels[0])


def test_floats_of_8_bit_pixels_are_normalised_if_the_user_says_so(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 6, 3), dtype=np.uint8)
    for name, clips in (("bytes", pixels), ("floats", pixels.astype(np.float32))):
        np.save(tmp_path / f"{name}.npy", clips)
    with imported(tmp_path / "bytes.npy", clips_per_class=1) as store:
        expected, normalization = all_clips(store), store.normalization
    with imported(tmp_path / "floats.npy", clips_per_class=1, normalization="0-255") as store:
        np.testing.assert_allclose(all_clips(store), expected, atol=1e-5)
        assert store.normalization == normalization


@pytest.mark.parametrize(
    ("values", "normalization", "said"),
    [
        ((0, 1), None, "--normalization none"),
        ((-9, 9), "imagenet", "are outside"),
        ((0, 255), "none", "--normalization 0-255"),
        ((0, 255), None, "--normalization 0-255"),
        ((-1, 1), None, "--normalization 0.5/0.5"),
        ((-2, 2), None, "the normalization of the values is unknown"),
    ],
)
def test_implausible_values_are_reported(tmp_path, values, normalization, said):
    clips = np.random.default_rng(0).uniform(*values, (2, 4, 3, 5, 5))
    np.save(tmp_path / "c.npy", clips)
    options = ImportSettings(file=FileOptions(clips_per_class=1), normalization=normalization)
    done = import_clips(tmp_path / "c.npy", tmp_path / "o.h5", options)
    assert any(said in note for note in done.notes)
    assert done.smallest == pytest.approx(clips.min())
    assert done.largest == pytest.approx(clips.max())


def test_plausible_values_are_not_reported(tmp_path):
    np.save(tmp_path / "c.npy", np.random.default_rng(0).uniform(-1.7, 2.2, (2, 4, 3, 5, 5)))
    options = ImportSettings(file=FileOptions(clips_per_class=1), normalization="imagenet")
    done = import_clips(tmp_path / "c.npy", tmp_path / "o.h5", options)
    assert done.notes == []
    assert done.outside_share == 0


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare pickle", "npy", "npz"])
def test_a_hostile_pickle_is_rejected_and_not_run(tmp_path, kind):
    proof, path = tmp_path / "run", tmp_path / ("c.pt" if not kind.startswith("np") else f"c.{kind}")
    content = {"clips": CLIPS, "extra": Hostile(proof)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    elif kind == "npy":
        np.save(path, np.array([Hostile(proof)], dtype=object), allow_pickle=True)
    elif kind == "npz":
        np.savez(path, clips=np.array([Hostile(proof)], dtype=object))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(
        UnreadableClipsError, match=r"torch\.save|np\.savez|contains no array of clips"
    ) as refused:
        imported(path, clips_per_class=1)
    if kind in ("zip", "legacy"):
        assert f"call {os.system.__module__}.system," in str(refused.value)
    if kind == "npz":
        with pytest.raises(UnreadableClipsError, match="the dtype of clips must be one of"):
            imported(path, clips_per_class=1, clips_key="clips")
    assert not proof.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("suffix", ["pt", "npz", "npy", "safetensors"])
def test_damaged_files_are_rejected(tmp_path, suffix):
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"c.{suffix}"
    for data in (b"", b"junk" * 100, b"PK\x03\x04" + bytes(500), b"\x93NUMPY" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(UnreadableClipsError):
            imported(path, clips_per_class=1)
    if suffix == "pt":
        torch.save({"clips": CLIPS, "labels": LABELS}, path)
    elif suffix == "npz":
        np.savez_compressed(path, clips=CLIPS.numpy(), labels=LABELS.numpy())
    elif suffix == "npy":
        np.save(path, CLIPS.numpy())
    else:
        from safetensors.torch import save_file

        save_file({"clips": CLIPS, "labels": LABELS}, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableClipsError):
        imported(path, **({"clips_per_class": 1} if suffix == "npy" else {}))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_detected_and_leaves_no_output(tmp_path, save):
    path = tmp_path / "c.npz"
    save(path, labels=LABELS.numpy(), clips=CLIPS.numpy())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        (UnreadableClipsError, ClipError),
        match=r"clips\.npy is damaged|CRC-32 for file 'clips\.npy'|not finite",
    ):
        imported(path)
    assert [each.name for each in tmp_path.iterdir()] == ["c.npz"]


def test_small_files_cannot_claim_large_clips(tmp_path):
    torch.save(torch.zeros(1, 1, 1, 1, 1).expand(10**6, 16, 3, 112, 112), tmp_path / "c.pt")
    with pytest.raises(UnreadableClipsError, match=r"needs 2,408,448,000,000 bytes.*contiguous"):
        imported(tmp_path / "c.pt", clips_per_class=1)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 60000, 3, 4096, 4096), }\n"
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("clips.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UnreadableClipsError, match="does not match its header"):
        imported(tmp_path / "c.npz", clips_per_class=1)


def test_ambiguous_files_need_an_option(tmp_path):
    for content, options, said in (
        ({"a": CLIPS, "b": CLIPS + 1}, {"clips_per_class": 1}, r"--clips-key a"),
        ({"clips": CLIPS, "s": LABELS, "t": LABELS}, {}, r"--labels-key s"),
        (CLIPS, {}, r"--clips-per-class V"),
        (CLIPS, {"classes": "a,b,c"}, r"--clips-per-class V"),
        (torch.zeros(2, 3, 3, 5, 5), {"clips_per_class": 1}, r"--layout NTCHW"),
        (CLIPS, {"clips_per_class": 1, "labels": "l.txt"}, r"cannot be combined"),
        (CLIPS, {"clips_per_class": 1, "clips_key": "nope"}, r"'nope' is not in"),
        (CLIPS, {"clips_per_class": 1, "key_frames": 6}, r"between 1 and 5"),
    ):
        torch.save(content, tmp_path / "c.pt")
        with pytest.raises(SettingsError, match=said):
            imported(tmp_path / "c.pt", **options)
    torch.save({"x": LABELS}, tmp_path / "c.pt")
    with pytest.raises(UnreadableClipsError, match=r"contains no array of clips.*it contains x \(4,\) int64"):
        imported(tmp_path / "c.pt")
    with pytest.raises(DatasetNotFoundError):
        imported(tmp_path / "no.pt")
    write_smooth_store(tmp_path / "s.zarr", size=(8, 8))
    with pytest.raises(SettingsError, match="dfs convert"):
        imported(tmp_path / "s.zarr")
    assert not (tmp_path / "out.zarr").exists()


def test_values_that_are_not_finite_are_rejected_with_the_number_of_the_clip(tmp_path):
    clips = CLIPS.clone()
    clips[2, 1, 0, 0, 0] = float("nan")
    torch.save(clips, tmp_path / "c.pt")
    with pytest.raises(ClipError, match="clip 2"):
        imported(tmp_path / "c.pt", clips_per_class=1)
    torch.save(CLIPS.double() * 1e300, tmp_path / "c.pt")
    with pytest.raises(ClipError, match="clip 0"):
        imported(tmp_path / "c.pt", clips_per_class=1)
    assert [each.name for each in tmp_path.iterdir()] == ["c.pt"]


def piecewise(num_frames=9):
    """Returns a batch of one clip, (1, T, 3, 6, 7), that frames 0, 4 and 8 rebuild exactly."""
    ends = np.random.default_rng(1).normal(size=(3, 3, 6, 7))
    times = np.arange(num_frames)
    weights = np.stack([np.interp(times, [0, 4, 8], row) for row in np.eye(3)], axis=1)
    return np.einsum("tk,kchw->tchw", weights, ends)[None].astype(np.float32)


def test_the_key_frames_that_rebuild_a_clip_best_are_kept(tmp_path):
    np.save(tmp_path / "c.npy", piecewise())
    for options in ({"key_frames": 3}, {"max_error": 0.01}):
        store = imported(tmp_path / "c.npy", clips_per_class=1, **options)
        assert store.positions(0).tolist() == [0, 4, 8]
        assert np.allclose(store.clip(0), piecewise()[0], atol=1e-5)
    settings = ImportSettings(file=FileOptions(clips_per_class=1), fitting=Fitting(key_frames=2))
    done = import_clips(tmp_path / "c.npy", tmp_path / "o.h5", settings)
    store = open_store(tmp_path / "o.h5")
    std = np.array(store.normalization["std"])[:, None, None]
    errors = (store.clip(0) - piecewise()[0]) * std * 255
    assert done.rms_error == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)
    assert done.num_key_frames == 2
    for bad in ({"key_frames": 2, "max_error": 1.0}, {"key_frames": 0}, {"max_error": -1.0}, {"budget": "x"}):
        with pytest.raises(SettingsError, match="--"):
            Fitting(**bad)


def test_a_budget_is_distributed_over_the_clips(tmp_path):
    still = np.broadcast_to(piecewise()[:, :1], piecewise().shape)
    np.save(tmp_path / "c.npy", np.concatenate([still, piecewise()]))
    frame_bytes = 3 * 6 * 7 * 4
    store = imported(tmp_path / "c.npy", clips_per_class=1, budget=str(4 * (frame_bytes + 100)))
    assert [store.positions(clip).tolist() for clip in range(2)] == [[0], [0, 4, 8]]
    report = store.storage
    assert report.key_frame_bytes + report.index_bytes <= 4 * (frame_bytes + 100)
    with pytest.raises(SettingsError, match=r"--budget 100 is too small: 2 clips need .* only 0 fit"):
        imported(tmp_path / "c.npy", clips_per_class=1, budget="100")


def test_a_budget_is_used_fully_by_a_thousand_clips_with_tiny_frames(tmp_path):
    clips = np.random.default_rng(0).integers(0, 256, (1000, 4, 1, 1, 5), dtype=np.uint8)
    np.save(tmp_path / "c.npy", clips)
    budget = 1000 * 60 + 7
    store = imported(tmp_path / "c.npy", clips_per_class=1000, budget=str(budget), dtype="uint8")
    report = store.storage
    taken = report.key_frame_bytes + report.index_bytes
    one_more = report.key_frame_bytes // report.num_key_frames + 2 + 4 + 2 * 4
    assert report.key_frame_bytes == 5 * report.num_key_frames
    assert budget - one_more < taken <= budget


@settings(max_examples=12, deadline=None)
@given(content=stores(max_clips=3, dtype="float32"), encoding=st.sampled_from(["float32", "uint8"]))
def test_exporting_to_npz_and_importing_is_the_identity_within_rounding(tmp_path_factory, content, encoding):
    folder = tmp_path_factory.mktemp("law")
    content.class_names[:] = [f"{name}-" for name in content.class_names]  # NumPy drops a trailing NUL
    content.write(folder / "a.zarr")
    export_store(folder / "a.zarr", folder / "n.npz", ExportSettings("npz", encoding))
    import_clips(folder / "n.npz", folder / "b.zarr", ImportSettings(file=FileOptions(layout="NTCHW")))
    first, second = open_store(folder / "a.zarr"), open_store(folder / "b.zarr")
    assert second.class_names == first.class_names
    assert np.array_equal(second.labels, first.labels)
    assert second.normalization == first.normalization or encoding == "uint8"
    for clip in range(len(first)):
        if encoding == "float32":
            assert np.array_equal(second.clip(clip), first.clip(clip))
        else:
            difference = pixels_of(second, clip).astype(int) - pixels_of(first, clip)
            assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("to", "encoding"), [("videos", "lossless"), ("frames", "png"), ("huggingface", "lossless")]
)
def test_an_imported_export_has_the_same_names_and_pixels(tmp_path, to, encoding):
    names = ["z/../x", "a", "test"]
    write_smooth_store(tmp_path / "s.zarr", class_names=names, size=(16, 16))
    export_store(tmp_path / "s.zarr", tmp_path / "e", ExportSettings(to, encoding))
    import_clips(tmp_path / "e", tmp_path / "b.h5")
    first, second = open_store(tmp_path / "s.zarr"), open_store(tmp_path / "b.h5")
    assert second.class_names == names
    assert second.normalization == first.normalization
    # Clips are in the order of their folders' names.
    by_label = {label: np.flatnonzero(second.labels == label) for label in range(3)}
    for label in range(3):
        for old, new in zip(np.flatnonzero(first.labels == label), by_label[label], strict=True):
            assert np.array_equal(pixels_of(second, int(new)), pixels_of(first, int(old)))
    source = second.attributes["provenance"]["sources"][0]
    assert source["frames"] == [0, 1, 2, 3]
    assert second.attributes["provenance"]["exported_from"] == first.attributes["digest"]


def test_resizing_an_export_that_is_not_square_is_reported(tmp_path):
    write_smooth_store(tmp_path / "s.zarr", size=(16, 24), clips_per_class=1)
    export_store(tmp_path / "s.zarr", tmp_path / "e", ExportSettings("frames"))
    told = import_clips(tmp_path / "e", tmp_path / "b.h5")
    assert "resized from 16x24 to 112x112" in told.notes[0]
    asked = ImportSettings(folder=FolderOptions(size=16))
    assert import_clips(tmp_path / "e", tmp_path / "c.h5", asked).notes == []


def test_a_folder_of_videos_is_sampled_with_the_given_options(tmp_path):
    from tests.videos.making import make_folder

    make_folder(tmp_path / "v", clips=2)
    folder = FolderOptions(frames=3, stride=2, size=8, classes="right")
    done = import_clips(
        tmp_path / "v", tmp_path / "o.zarr", ImportSettings(folder=folder, fitting=Fitting(2))
    )
    store = open_store(tmp_path / "o.zarr")
    assert (len(store), store.class_names, store.num_frames) == (2, ["right"], 3)
    assert store.frame_shape == (3, 8, 8)
    assert done.num_key_frames == 4
    assert done.rms_error < 0.5  # grey ramps are linear
    assert store.attributes["provenance"]["sampling"]["stride"] == 2


def test_imports_need_the_memory_of_a_few_clips(tmp_path):
    clips = np.zeros((40, 8, 3, 60, 60), np.float32)
    np.savez(tmp_path / "c.npz", clips=clips)
    np.save(tmp_path / "c.npy", clips)
    torch.save(torch.from_numpy(clips), tmp_path / "c.pt")
    for name in ("c.npz", "c.npy", "c.pt"):
        tracemalloc.start()
        try:
            imported(tmp_path / name, clips_per_class=4)
            assert tracemalloc.get_traced_memory()[1] < 10 * clips[0].nbytes  # of 40
        finally:
            tracemalloc.stop()


def test_an_encoded_import_reports_the_error_of_the_rebuilt_clips(tmp_path):
    pixels = np.stack([smooth_pixels(5, 24, 24, seed=seed) for seed in range(3)])
    np.save(tmp_path / "clips.npy", np.rint(pixels * 255).astype(np.uint8).transpose(0, 1, 3, 4, 2))
    settings = ImportSettings(
        file=FileOptions(clips_per_class=1), encoding="webp:90", fitting=Fitting(key_frames=3)
    )
    done = import_clips(tmp_path / "clips.npy", tmp_path / "out.zarr", settings)
    with open_store(tmp_path / "out.zarr") as store:
        assert store.frame_encoding == "webp"
        shown = np.stack([store.clip(clip) for clip in range(3)])
        std, mean = (np.array(IMAGENET[key])[:, None, None] for key in ("std", "mean"))
        error = (shown * std + mean) * 255 - np.rint(pixels * 255)
    assert done.rms_error == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    assert 1 < done.rms_error < 20


@pytest.mark.parametrize("fitting", [Fitting(max_error=2.0), Fitting(budget="1MiB")])
def test_options_that_measure_errors_before_encoding_are_rejected(fitting):
    with pytest.raises(SettingsError, match="cannot be used with --encoding"):
        ImportSettings(encoding="avif", fitting=fitting)
