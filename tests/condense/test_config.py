"""Settings: presets, checks and provenance."""

import re
from dataclasses import fields

import pytest

from dfs_store.condense import CondenseConfig
from dfs_store.condense.methods import method_named, method_names
from dfs_store.errors import SettingsError


def make(**changes):
    return CondenseConfig(**{"out": "x.zarr", "dataset": "miniucf", "vpc": 1, **changes})


@pytest.mark.parametrize(
    ("dataset", "vpc", "lr", "batch_real"),
    [
        ("miniucf", 1, 1, 64),
        ("miniucf", 5, 25, 64),
        ("miniucf", 10, 50, 64),
        ("hmdb51", 1, 0.7, 64),
        ("hmdb51", 5, 25, 64),
        ("hmdb51", 10, 75, 64),
        ("kinetics400", 1, 1, 64),
        ("kinetics400", 5, 50, 128),
        ("ssv2", 1, 3, 64),
        ("ssv2", 5, 30, 128),
    ],
)
def test_presets_equal_table_a(dataset, vpc, lr, batch_real):
    settings = make(dataset=dataset, vpc=vpc).resolved()
    assert (settings.lr, settings.batch_real) == (lr, batch_real)
    assert (settings.iterations, settings.momentum, settings.init) == (5000, 0.95, "noise")


def test_a_given_setting_overrides_the_preset():
    settings = make(lr=3.0, iterations=7, init="real").resolved()
    assert (settings.lr, settings.iterations, settings.init, settings.momentum) == (3.0, 7, "real", 0.95)


def test_the_official_split_is_recorded_if_there_are_several():
    assert make().resolved().provenance()["split"] == 1
    assert make(split=3).resolved().provenance()["split"] == 3
    assert make(dataset="kinetics400").resolved().provenance()["split"] is None


def test_epsilon_depends_on_the_metric():
    assert make().resolved().epsilon == 0
    assert make(metric="l2").resolved().epsilon == 0.141
    assert make(metric="l2", epsilon=0.2).resolved().epsilon == 0.2


def test_the_learning_rate_of_dm_is_proportional_to_vpc():
    assert [make(method="dm", vpc=v).resolved().lr for v in (1, 5)] == [30, 150]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"vpc": 0}, "--vpc"),
        ({"iterations": 0}, "--iterations"),
        ({"batch_real": -1}, "--batch-real"),
        ({"initial_key_frames": 0}, "--initial-key-frames"),
        ({"checkpoint_every": 0}, "--checkpoint-every"),
        ({"seed": -1}, "--seed"),
        ({"lr": 0.0}, "--lr"),
        ({"lr": float("nan")}, "--lr"),
        ({"lr": float("inf")}, "--lr"),
        ({"momentum": 1.0}, "--momentum"),
        ({"warmup": 0.7, "cooldown": 0.7}, "warmup"),
        ({"epsilon": float("nan")}, "--epsilon"),
        ({"method": "magic"}, "dfs, dm, herding, k-center, pack, random, static-dynamic, or module:function"),
        ({"init": "zeros"}, "noise, real"),
        ({"dtype": "int8"}, "float32, float16, uint8"),
        ({"metric": "l1"}, "cosine, l2"),
        ({"selection": "best"}, "lowest, random"),
        ({"insertions": "two"}, "one, all"),
        ({"gradient": "sum"}, "frame, accumulated"),
        ({"evidence": "median"}, "last, mean, persistent"),
        ({"score": "mean"}, "larger, smaller"),
        ({"insert_every": -0.1}, "--insert-every.*-0.1"),
        ({"insert_every": 20}, "--insert-every.*share of the insertion phase.*20"),
        ({"insert_every": float("nan")}, "--insert-every"),
        ({"persistence": 0.0}, "--persistence"),
        ({"persistence": 1.1}, "--persistence"),
        ({"precision": "fp8"}, "float32, bf16"),
        ({"method": "random", "key_frames": 0}, "--key-frames must be at least 1, got 0"),
        ({"method": "dm", "key_frames": 2}, "--key-frames is not used by method dm, only by herding"),
        ({"method": "dm", "budget": "1MiB"}, "--budget is not used by method dm, only by dfs, pack"),
        ({"method": "herding", "max_error": 2.0}, "--max-error is not used by method herding"),
    ],
    ids=str,
)
def test_an_invalid_value_raises_an_error_that_names_its_flag(changes, named):
    with pytest.raises(SettingsError, match=named):
        make(**changes)


def test_settings_without_effect_are_noted():
    assert make().notes() == ()
    (note,) = make(method="random", lr=3.0, epsilon=0.1).notes()
    assert "--lr" in note
    assert "--epsilon" in note
    assert "random" in note
    assert make(method="dm", lr=3.0).notes() == ()


def test_stick_figures_has_its_own_presets():
    settings = make(dataset="stick-figures", vpc=2).resolved()
    assert (settings.init, settings.batch_real, settings.insertion) == ("herding", 8, False)
    assert settings.lr == 2 * make(dataset="stick-figures", vpc=1).resolved().lr
    assert make(dataset="stick-figures", vpc=2, insertion=True).resolved().insertion is True
    assert settings.schedule.phases == (("matching", 0, settings.iterations),)
    assert make().resolved().insertion is True
    dm = make(dataset="stick-figures", vpc=2, method="dm").resolved()
    assert (dm.iterations, dm.batch_real, dm.lr) == (settings.iterations, 8, 60)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({}, ("webp:10", "uint8")),
        ({"encoding": "none"}, ("none", "float32")),
        ({"encoding": "avif"}, ("avif", "uint8")),
        ({"dtype": "float32"}, (None, "float32")),
        ({"dtype": "uint8"}, (None, "uint8")),
        ({"method": "dm"}, (None, "float32")),
        ({"budget": "1MiB"}, (None, "float32")),
        ({"dataset": "moving-shapes"}, (None, "float32")),
    ],
)
def test_a_preset_encodes_unless_the_user_chooses_a_storage(given, stored):
    settings = make(**{"dataset": "stick-figures", **given}).resolved()
    assert (settings.encoding, settings.dtype) == stored
    assert settings.resolved() == settings


def test_insertion_settings_are_noted_as_unused_if_the_preset_does_not_insert():
    assert make(dataset="stick-figures").resolved().notes() == ()
    (note,) = make(dataset="stick-figures", evidence="mean", epsilon=0.1).resolved().notes()
    assert "ignoring --epsilon, --evidence, because insertion is off" in note
    assert "--insertion" in note
    assert make(dataset="stick-figures", insertion=True, evidence="mean").resolved().notes() == ()


@pytest.mark.parametrize("method", ["random", "herding", "k-center", "pack"])
def test_methods_that_keep_real_clips_use_key_frames(method):
    settings = make(method=method, key_frames=2).resolved()
    assert settings.notes() == ()
    assert settings.provenance()["key_frames"] == 2
    assert settings.dtype == ("uint8" if method == "pack" else "float32")


def test_the_provenance_contains_what_determines_the_result_and_no_paths():
    provenance = make(out="/secret/x.zarr", root="/data", classes=("a", "b")).resolved().provenance()
    assert provenance["classes"] == ["a", "b"]
    assert not {"out", "root", "device", "resume", "overwrite", "checkpoint_every"} & provenance.keys()
    assert "lr" not in make(method="random").resolved().provenance()


def test_the_built_in_dataset_has_a_preset_for_short_runs():
    settings = make(dataset="moving-shapes").resolved()
    assert (settings.iterations, settings.lr, settings.batch_real, settings.init) == (200, 8, 8, "noise")


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("key_frames", 2.5, "int"),
        ("key_frames", True, "int"),
        ("max_error", "3", "float"),
        ("hold_out", "0.2", "float"),
        ("extractor", 3, "str"),
        ("vpc", "1", "int"),
        ("insertion", 1, "bool"),
    ],
)
def test_a_value_of_the_wrong_type_raises_an_error_that_names_its_flag(name, value, kind):
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} must be a value of type .*{kind}"):
        make(**{name: value})


def test_an_integer_is_accepted_as_a_float_and_as_a_budget():
    assert make(lr=1).lr == 1
    assert make(method="pack", max_error=3).max_error == 3
    assert make(method="pack", budget=300_000).budget == 300_000


def test_paths_may_be_any_path_like_object(tmp_path):
    settings = make(out=tmp_path / "x.zarr", dataset=tmp_path, root=tmp_path, extractor=tmp_path / "net.pt")
    assert settings == make(
        out=f"{tmp_path}/x.zarr", dataset=str(tmp_path), root=str(tmp_path), extractor=f"{tmp_path}/net.pt"
    )


def test_every_file_defines_a_method_whose_settings_exist():
    known = {field.name for field in fields(CondenseConfig)}
    assert {"dfs", "static-dynamic", "k-center"} <= set(method_names())
    for name in method_names():
        method = method_named(name)
        assert set(method.settings) <= known, name
        assert callable(method.run), name


def test_every_setting_has_help_text_and_is_documented():
    for setting in fields(CondenseConfig):
        assert setting.metadata["option"].help.endswith("."), setting.name
        assert re.search(rf"\b{setting.name}\b", CondenseConfig.__doc__), setting.name
