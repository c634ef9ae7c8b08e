"""Whole runs: their stores, that they repeat, and that they resume to the same arrays."""

import numpy as np
import pytest
import torch

from dfs_store import open_store, open_videos
from dfs_store.condense import CheckpointSaved, RunStarted, StepDone, StoreWritten, condense
from dfs_store.condense.engine import loop
from dfs_store.condense.fitting.key_frame_fit import best_fits, gram_matrix
from dfs_store.condense.runtime.checkpoint import checkpoint_path, checkpoints_of
from dfs_store.errors import CheckpointError, DivergedError, OutputExistsError, SettingsError
from tests.condense.stopped_runs import condense_until


def arrays(path):
    with open_store(path) as store:
        frames = np.concatenate([store.key_frames(i) for i in range(len(store))])
        inserted = np.concatenate([store.inserted_at(i) for i in range(len(store))])
        return (
            frames,
            np.array(store.all_positions),
            np.array(store.offsets),
            np.array(store.labels),
            inserted,
        )


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


def run(config, videos):
    events = []
    condense(config, videos, on_event=events.append)
    return events


def test_a_run_writes_a_store(config, videos):
    settings = config(epsilon=2.0)  # every candidate qualifies, so each step inserts once per clip
    events = run(settings, videos)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], StoreWritten)
    assert [s.step for s in steps] == [0, 1, 2, 3, 4]
    assert [s.phase for s in steps] == ["warm-up", "insertion", "insertion", "insertion", "cool-down"]
    assert [s.num_inserted for s in steps] == [0, 6, 6, 6, 0]
    # all six frames except the two initial key frames and the inserted ones
    assert [s.num_candidates for s in steps] == [None, 24, 18, 12, None]
    assert all(np.isfinite(s.loss) and s.loss > 0 for s in steps)
    with open_store(settings.out) as store:
        assert store.class_names == videos.classes
        assert store.labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert np.diff(store.offsets).tolist() == [5] * 6
        assert sorted(store.inserted_at(0).tolist()) == [-1, -1, 1, 2, 3]
        assert store.normalization == videos.normalization
        provenance = store.attributes["provenance"]
        assert (provenance["method"], provenance["vpc"], provenance["seed"]) == ("dfs", 2, 0)
        assert provenance["config"]["momentum"] == 0.95
        assert "out" not in provenance["config"]
    assert not checkpoint_path(settings.out).exists()


def test_pack_starts_from_the_key_frames_that_rebuild_herded_clips_best(config, videos):
    options = {"iterations": 1, "lr": 1e-12, "insertion": False, "initial_key_frames": 3, "device": "cpu"}
    with condense(config(init="pack", **options), videos) as store:
        sources = store.attributes["provenance"]["sources"]
        assert (np.diff(store.offsets) <= 3).all()
        for number, source in enumerate(sources):
            (clip,) = [n for n in range(len(videos)) if videos.source(n) == source]
            real = videos.clip(clip).permute(1, 0, 2, 3).numpy()
            fit = best_fits(gram_matrix(real))[2]
            assert store.positions(number).tolist() == fit.positions.tolist()
            error = float(np.square(store.clip(number) - real, dtype=np.float64).sum())
            assert error == pytest.approx(fit.error, rel=1e-3, abs=1e-3)
    with condense(config(init="herding", overwrite=True, **options), videos) as store:
        assert store.attributes["provenance"]["sources"] == sources


def test_methods_that_do_not_choose_key_frames_cannot_start_from_pack(config):
    for method in ("dm", "static-dynamic"):
        with pytest.raises(SettingsError, match=f"which method {method} does not support"):
            config(method=method, init="pack")


def test_a_run_inserts_at_the_last_step_of_each_interval(config, videos):
    events = run(config(iterations=10, epsilon=2.0, insert_every=0.5, evidence="mean", vpc=1), videos)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [s.num_inserted for s in steps] == [0, 0, 0, 0, 3, 0, 0, 3, 0, 0]
    assert [s.phase for s in steps if s.cosines] == ["insertion"] * 6  # watched at every step


def test_equal_seeds_give_equal_arrays_and_different_seeds_do_not(config, videos, tmp_path):
    one, two, three = (str(tmp_path / f"{n}.zarr") for n in "123")
    for out, seed in ((one, 0), (two, 0), (three, 1)):
        run(config(out=out, seed=seed, iterations=3, selection="random", epsilon=2.0), videos)
    assert same(one, two)
    assert not np.array_equal(arrays(one)[0], arrays(three)[0])
    with open_store(one) as a, open_store(two) as b:
        first, second = dict(a.attributes["provenance"]), dict(b.attributes["provenance"])
        for provenance in (first, second):
            del provenance["created"]
        assert first == second


def test_chunking_changes_only_rounding(config, videos, tmp_path, monkeypatch):
    whole, cut = str(tmp_path / "whole.h5"), str(tmp_path / "cut.h5")
    run(config(out=whole, insertion=False, iterations=3), videos)
    monkeypatch.setattr("dfs_store.condense.engine.initialise.chunk_clips", lambda *_: 1)
    run(config(out=cut, insertion=False, iterations=3), videos)
    one, other = arrays(whole)[0], arrays(cut)[0]
    # Compared as a whole: the error of a value depends on the order of sums, and thus on the processor.
    assert np.linalg.norm(one - other) < 1e-5 * np.linalg.norm(one)
    np.testing.assert_allclose(one, other, atol=1e-3)


# The last two stop inside an interval, which is the whole insertion phase.
@pytest.mark.parametrize(
    ("stop_after", "rule"),
    [
        (0, {}),
        (2, {}),
        (2, {"insert_every": 1.0, "evidence": "mean"}),
        (2, {"insert_every": 1.0, "evidence": "persistent"}),
    ],
    ids=str,
)
def test_an_interrupted_run_resumes_to_the_same_arrays(config, videos, tmp_path, stop_after, rule):
    whole, broken = str(tmp_path / "whole.zarr"), str(tmp_path / "broken.zarr")
    run(config(out=whole, epsilon=0.5, **rule), videos)

    settings = config(out=broken, epsilon=0.5, **rule)
    condense_until(stop_after, settings, videos)
    assert not (tmp_path / "broken.zarr").exists()
    assert checkpoint_path(broken).exists()
    with pytest.raises(SettingsError, match="--resume"):
        run(settings, videos)
    events = run(config(out=broken, epsilon=0.5, resume=True, **rule), videos)
    assert events[0].step == stop_after + 1
    assert same(whole, broken)
    assert not checkpoint_path(broken).exists()


def test_a_checkpoint_of_different_settings_raises_an_error_that_names_them(config, videos):
    condense_until(0, config(), videos)
    with pytest.raises(CheckpointError, match=r"lr was 1\.0, now 2\.0"):
        run(config(lr=2.0, resume=True), videos)


def test_a_damaged_checkpoint_raises_an_error(config, videos):
    settings = config(resume=True)
    checkpoint_path(settings.out).write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(CheckpointError, match="damaged"):
        run(settings, videos)


def test_the_previous_checkpoint_is_used_if_the_newest_is_damaged(config, videos, tmp_path):
    whole, broken = str(tmp_path / "whole.zarr"), str(tmp_path / "broken.zarr")
    run(config(out=whole), videos)
    condense_until(2, config(out=broken, checkpoint_every=1), videos)
    newest = checkpoint_path(broken)
    assert (checkpoints_of(broken)[0], len(checkpoints_of(broken))) == (newest, 2)
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match=r"broken\.zarr\.checkpoint\.npz is damaged .* the previous one"):
        events = run(config(out=broken, resume=True), videos)
    assert events[0].step == 2
    assert same(whole, broken)
    assert checkpoints_of(broken) == []


def test_the_previous_checkpoint_is_used_if_the_newest_was_never_renamed(config, videos):
    condense_until(2, config(checkpoint_every=1), videos)
    checkpoint_path(config().out).unlink()  # killed between the two renames
    with pytest.raises(SettingsError, match="add --resume"):
        run(config(), videos)
    assert run(config(resume=True), videos)[0].step == 2


def test_a_checkpoint_of_different_real_clips_raises_an_error(config, videos):
    condense_until(1, config(), videos)
    more = open_videos("moving-shapes", frames=6, size=43, clips_per_class=6, classes=videos.classes)
    assert more.classes == videos.classes
    with pytest.raises(CheckpointError, match=r"different settings \(real clips"):
        run(config(resume=True), more)


def test_resume_without_a_checkpoint_starts_a_new_run(config, videos):
    events = run(config(resume=True, iterations=1), videos)
    assert events[0].step == 0


def test_checkpoints_are_saved_every_n_steps(config, videos):
    events = run(config(checkpoint_every=2), videos)
    assert [e.step for e in events if isinstance(e, CheckpointSaved)] == [2, 4, 5]


def test_a_diverged_run_raises_an_error_and_leaves_no_store(config, videos, tmp_path):
    with pytest.raises(DivergedError, match=r"step \d+.*--lr 1e\+30"):
        run(config(lr=1e30), videos)
    assert not (tmp_path / "out.zarr").exists()


def test_a_run_that_diverges_names_the_last_good_state(config, videos, monkeypatch):
    settings = config(checkpoint_every=2, iterations=12)
    match, steps = loop.match, []

    def spoiled(*arguments, **options):
        for chunk, loss, gradient in match(*arguments, **options):
            steps.append(loss)
            yield chunk, torch.tensor(torch.nan) if len(steps) > 3 * 5 else loss, gradient

    monkeypatch.setattr(loop, "match", spoiled)
    with pytest.raises(DivergedError, match=r"nan at step 5.*last good state, after step 3, is kept in"):
        run(settings, videos)
    assert checkpoints_of(settings.out)
    with pytest.raises(DivergedError, match="no checkpoint had been saved"):
        run(config(iterations=12, overwrite=True), videos)


def test_a_finite_loss_that_explodes_ends_the_run(config, videos, monkeypatch):
    match, factor = loop.match, [1.0]

    def exploding(*arguments, **options):
        for chunk, loss, gradient in match(*arguments, **options):
            factor[0] *= 4.0
            yield chunk, loss * factor[0], gradient

    monkeypatch.setattr(loop, "match", exploding)
    with pytest.raises(DivergedError, match=r"the loss is \d.*e\+\d+ at step .* with --lr 1 and momentum"):
        run(config(iterations=40), videos)


def test_a_second_run_with_the_same_output_raises_an_error_and_the_first_continues(config, videos, tmp_path):
    settings = config(checkpoint_every=1)

    def intrude(event):
        if isinstance(event, StepDone) and event.step == 2:
            with pytest.raises(OutputExistsError, match=r"another run \(process \d+\) is writing to"):
                condense(config(resume=True), videos)

    condense(settings, videos, on_event=intrude)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]


def test_the_lock_of_a_killed_run_is_taken_over(config, videos, tmp_path):
    (tmp_path / ".out.zarr.run").write_text("process 1")
    condense(config(method="random"), videos)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]


def test_an_existing_output_raises_an_error_before_anything_is_computed(config, videos, tmp_path):
    run(config(method="random"), videos)
    with pytest.raises(OutputExistsError, match="overwrite"):
        condense(config(), videos, on_event=lambda _: pytest.fail("the run started"))
    run(config(method="random", vpc=1, overwrite=True), videos)
    with open_store(tmp_path / "out.zarr") as store:
        assert len(store) == 3


def test_random_keeps_all_frames_of_real_clips(config, videos):
    settings = config(method="random")
    run(settings, videos)
    with open_store(settings.out) as store:
        assert store.storage.float32_bytes == store.storage.dense_bytes
        sources = store.attributes["provenance"]["sources"]
        assert len({(s["generator"], s["clip"]) for s in sources}) == len(store) == 6
        for number in range(len(store)):
            real = np.stack([videos.clip(i).permute(1, 0, 2, 3).numpy() for i in range(len(videos))])
            distances = np.abs(real - store.clip(number)).max(axis=(1, 2, 3, 4))
            nearest = int(distances.argmin())
            assert distances[nearest] < 1e-5
            assert videos.labels[nearest] == store.labels[number]


def test_dm_trains_every_frame(config, videos):
    settings = config(method="dm", iterations=2)
    events = run(settings, videos)
    assert all(e.phase == "matching" for e in events if isinstance(e, StepDone))
    with open_store(settings.out) as store:
        assert np.diff(store.offsets).tolist() == [6] * 6
        provenance = store.attributes["provenance"]
        assert provenance["config"]["init"] == "real"
        assert provenance["config"]["momentum"] == 0.5
        assert len(provenance["sources"]) == 6


def test_too_few_real_clips_raise_an_error(config, videos):
    for settings in (config(method="random", vpc=6), config(init="real", vpc=6)):
        with pytest.raises(SettingsError, match=r"--vpc 6 needs 6 real clips.*has only 5"):
            run(settings, videos)
    run(config(vpc=6, iterations=1), videos)  # noise needs no real clips


def test_more_key_frames_than_frames_raise_an_error(config, videos):
    with pytest.raises(SettingsError, match=r"must be between 1 and 6 .*got 7"):
        run(config(initial_key_frames=7), videos)


def test_dm_does_not_note_settings_that_were_not_given(config, videos):
    events = run(config(method="dm", vpc=1, iterations=1), videos)
    assert events[0].notes == ()


def test_a_method_without_steps_never_uses_a_checkpoint(config, videos):
    condense_until(0, config(), videos)
    for resume in (False, True):
        with pytest.raises(SettingsError, match="method random cannot continue it"):
            run(config(method="random", resume=resume), videos)
    assert run(config(resume=True), videos)[0].step == 1


def test_clips_of_a_different_official_split_raise_an_error(config, videos, monkeypatch):
    monkeypatch.setattr(videos, "official_split", 2)
    settings = config(dataset="miniucf", method="random")
    with pytest.raises(SettingsError, match=r"split is 1, but the clips are from official split 2"):
        condense(settings, videos)
    condense(config(dataset="miniucf", method="random", split=2), videos)
    with open_store(settings.out) as store:
        assert store.attributes["provenance"]["config"]["split"] == 2
    # A dataset with a name chosen by the user implies no split, so none is recorded.
    condense(config(dataset="my-clips", method="random", overwrite=True), videos)
    with open_store(settings.out) as store:
        assert store.attributes["provenance"]["config"]["split"] is None
