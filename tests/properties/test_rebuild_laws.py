"""Laws of interpolation on tensors, for any positions and any key frames."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfs_store import testing
from dfs_store.interpolation import neighbours, weight_matrix
from dfs_store.loaders import interpolate
from dfs_store.loaders.batching.plans import ClipPlan
from dfs_store.loaders.rebuild import dense_weights, planes_of, rebuild_batch, rebuild_clip

FRAME = (2, 2, 3)


@st.composite
def key_frame_sets(draw, max_frames=20):
    """Draws (key frames (K, C, H, W) float64, positions (K,), num_frames)."""
    num_frames = draw(st.integers(2, max_frames))
    positions = draw(testing.positions(num_frames)).tolist()
    return _noise(draw, len(positions), *FRAME), positions, num_frames


def _noise(draw, *shape):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    size = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    return torch.randn(shape, generator=generator, dtype=torch.float64) * size


@given(key_frame_sets())
@settings(max_examples=60, deadline=None)
def test_exact_at_key_positions(case):
    keys, positions, num_frames = case
    assert torch.equal(interpolate(keys, positions, num_frames)[positions], keys)


@given(key_frame_sets(), st.lists(st.floats(0, 1), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_convex_combination_of_the_two_neighbours(case, shares):
    keys, positions, num_frames = case
    times = np.array(shares) * (num_frames - 1)
    clip = interpolate(keys, positions, num_frames, times=times)
    near = neighbours(positions, num_frames, times=times)
    left, right = keys[torch.from_numpy(near.left)], keys[torch.from_numpy(near.right)]
    slack = 1e-14 * keys.abs().max()
    assert (clip >= torch.minimum(left, right) - slack).all()
    assert (clip <= torch.maximum(left, right) + slack).all()
    assert ((near.weight >= 0) & (near.weight < 1)).all()


@given(key_frame_sets(), st.floats(-3, 3), st.data())
@settings(max_examples=40, deadline=None)
def test_affine_in_the_frames(case, share, data):
    keys, positions, num_frames = case
    others = _noise(data.draw, *keys.shape)
    mixed = interpolate(share * keys + (1 - share) * others, positions, num_frames)
    expected = share * interpolate(keys, positions, num_frames)
    expected += (1 - share) * interpolate(others, positions, num_frames)
    scale = max(keys.abs().max(), others.abs().max())
    torch.testing.assert_close(mixed, expected, rtol=0, atol=float(1e-13 * scale))


@given(key_frame_sets(), st.data())
@settings(max_examples=60, deadline=None)
def test_inserting_the_interpolated_frame_leaves_the_clip_unchanged(case, data):
    keys, positions, num_frames = case
    free = sorted(set(range(num_frames)) - set(positions))
    if not free or len(positions) == 1:
        return
    clip = interpolate(keys, positions, num_frames)
    new = data.draw(st.sampled_from(free))
    inserted = sorted([*positions, new])
    again = interpolate(clip[inserted], inserted, num_frames)
    torch.testing.assert_close(again, clip, rtol=0, atol=float(1e-13 * keys.abs().max()))
    assert torch.equal(again[new], clip[new])


@given(key_frame_sets(), st.data())
@settings(max_examples=40, deadline=None)
def test_the_gradient_is_the_adjoint(case, data):
    keys, positions, num_frames = case
    given_gradient = _noise(data.draw, num_frames, *FRAME)
    keys.requires_grad_()
    clip = interpolate(keys, positions, num_frames)
    clip.backward(given_gradient)
    forward = (clip.detach() * given_gradient).sum()
    backward = (keys.detach() * keys.grad).sum()
    size = float(clip.detach().norm() * given_gradient.norm())
    assert abs(forward - backward) <= 1e-13 * size
    weights = torch.from_numpy(weight_matrix(positions, num_frames)).double()
    expected = torch.einsum("tk,tchw->kchw", weights, given_gradient)
    # weight_matrix is float32.
    torch.testing.assert_close(
        keys.grad, expected, rtol=0, atol=float(1e-6 * given_gradient.abs().max() * num_frames)
    )


@given(
    st.lists(key_frame_sets(), min_size=1, max_size=4), st.integers(1, 9), st.sampled_from(["CTHW", "TCHW"])
)
@settings(max_examples=40, deadline=None)
def test_a_batch_product_equals_the_clips_one_by_one(cases, num_outputs, layout):
    times = [np.linspace(0, num_frames - 1, num_outputs) for _, _, num_frames in cases]
    most = max(len(positions) for _, positions, _ in cases)
    padded = torch.stack(
        [torch.cat([keys, keys[-1:].expand(most - len(keys), *FRAME)]) for keys, _, _ in cases]
    )
    near = [neighbours(p, n, times=t) for (_, p, n), t in zip(cases, times, strict=True)]
    left = torch.from_numpy(np.stack([plan.left for plan in near]))
    weight = torch.from_numpy(np.stack([plan.weight for plan in near]))
    weights = dense_weights(left, weight, most)
    out = torch.full((len(cases), num_outputs, *FRAME), torch.nan, dtype=torch.float64)
    if layout == "CTHW":
        out = out.transpose(1, 2).contiguous()
        padded = padded.transpose(1, 2).contiguous()
    rebuild_batch(padded, weights, layout, out)
    for clip, (keys, positions, num_frames), moments in zip(out, cases, times, strict=True):
        expected = interpolate(keys, positions, num_frames, times=moments)
        found = clip.transpose(0, 1) if layout == "CTHW" else clip
        torch.testing.assert_close(found, expected, rtol=0, atol=float(1e-13 * keys.abs().max()))


@given(key_frame_sets(), st.integers(1, 9), st.sampled_from(["CTHW", "TCHW"]), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_clip_by_segments_equals_eq_3_frame_by_frame(case, num_outputs, layout, first):
    keys, positions, num_frames = case
    times = np.linspace(0, num_frames - 1, num_outputs)
    near = neighbours(positions, num_frames, times=times)
    plan = ClipPlan(near.left, near.weight.astype(np.float32))
    stored = torch.cat([torch.full((first, *FRAME), torch.nan, dtype=torch.float64), keys])
    out = torch.full((num_outputs, *FRAME), torch.nan, dtype=torch.float64)
    if layout == "CTHW":
        stored, out = stored.transpose(0, 1), out.transpose(0, 1).contiguous()
    rebuild_clip(planes_of(stored, layout), first, plan.segments, planes_of(out, layout))
    expected = interpolate(keys, positions, num_frames, times=times)
    found = out.transpose(0, 1) if layout == "CTHW" else out
    # The weights of a plan are float32.
    torch.testing.assert_close(found, expected, rtol=0, atol=float(1e-6 * keys.abs().max()))
    exact = near.weight == 0
    assert torch.equal(found[exact], expected[exact])
