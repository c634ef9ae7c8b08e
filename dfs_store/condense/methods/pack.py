"""Pack reduces herded real clips to the key frames that best rebuild them."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from dfs_store.condense.condensed import Condensed, CondensedClip, kept_frames
from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.engine.herd import herd
from dfs_store.condense.engine.real_starts import clips_per_class
from dfs_store.condense.events import Event
from dfs_store.condense.fitting.coded_fit import CodedClip
from dfs_store.condense.fitting.encoded_pack import (
    describe_encoding,
    encoded_clips,
    least_key_frames,
    mean_psnr,
    psnr_or_none,
)
from dfs_store.condense.fitting.key_frame_fit import (
    Fit,
    best_fits,
    fewest_within,
    fitted_key_frames,
    gram_matrix,
    share_out_key_frames,
)
from dfs_store.condense.method import Method
from dfs_store.condense.methods._coreset import ranked_clips
from dfs_store.condense.settings import flag_of
from dfs_store.errors import SettingsError
from dfs_store.format import key_frames_within
from dfs_store.interpolation import check_key_frame_count
from dfs_store.loaders.normalization import PIXELS, stored_space
from dfs_store.names import counted
from dfs_store.videos import VideoDataset

__all__ = ["METHOD", "pack"]

_PEAK = 255.0
# Exactly one of these settings determines the number of key frames.
_SIZES = ("budget", "key_frames", "max_error")


def pack(config: CondenseConfig, videos: VideoDataset, tell: Callable[[Event], None]) -> Condensed:
    """Returns `vpc` herded real clips of every class, reduced to key frames.

    Each clip receives at most `key_frames` key frames, or the fewest that keep its root-mean-square error
    within `max_error`, or the number that reduces the total error most within `budget` bytes for all clips.

    Errors are measured on the rebuilt clips, in 8-bit levels: after encoding if there is an `encoding`,
    otherwise before the store rounds the key frames. A budget also determines the quality of the encoding
    unless a quality is given. The PSNR of every clip is recorded in its source.

    Raises:
        SettingsError: there are more key frames than frames, the budget does not allow one key frame per
            clip, a class has fewer clips than `vpc`, or the extractor cannot be used.
    """
    num_clips = sum(map(config.clips_of, clips_per_class(videos).values()))
    _check_clips(config, num_clips, videos.num_frames, videos.frame_shape)
    chosen, about = ranked_clips(config, videos, tell, herd)
    encoding = config.frame_encoding
    num_values = videos.num_frames * math.prod(videos.frame_shape)
    clips: Iterator[CondensedClip]
    if encoding is None:
        fits = _chosen_fits(config, videos, chosen)
        errors, clips = [fit.error for fit in fits], _clips(videos, chosen, fits)
        measured = "before storage"
    else:
        coded = encoded_clips(config, encoding, [partial(_pixels, videos, clip) for clip in chosen], tell)
        errors, clips = [each.error for each in coded], _encoded(videos, chosen, coded)
        measured = f"after encoding as {encoding.name}"
        about["frame_encoding"] = describe_encoding(coded, encoding)
    mean_squares = [error / num_values for error in errors]
    about["fit"] = {**mean_psnr(mean_squares), "psnr_of": f"rebuilt clips, peak 255, {measured}"}
    sources = [
        {**videos.source(clip), "psnr": psnr_or_none(square)}
        for clip, square in zip(chosen, mean_squares, strict=True)
    ]
    return Condensed(clips, sources, about, chosen=chosen)


def _check_clips(
    config: CondenseConfig, num_clips: int, num_frames: int, frame_shape: tuple[int, int, int]
) -> None:
    if config.key_frames is not None:
        check_key_frame_count(config.key_frames, num_frames, "--key-frames")
    if config.min_key_frames is not None:
        check_key_frame_count(config.min_key_frames, num_frames, "--min-key-frames")
    if config.budget is not None and config.frame_encoding is None:
        _affordable(config, num_clips, frame_shape)


def _chosen_fits(config: CondenseConfig, videos: VideoDataset, chosen: list[int]) -> list[Fit]:
    curves = [best_fits(gram_matrix(_pixels(videos, clip))) for clip in chosen]
    if config.key_frames is not None:
        return [fits[config.key_frames - 1] for fits in curves]
    if config.max_error is not None:
        num_values = videos.num_frames * math.prod(videos.frame_shape)
        start = least_key_frames(config) - 1
        return [fewest_within(fits[start:], config.max_error, num_values) for fits in curves]
    affordable = _affordable(config, len(chosen), videos.frame_shape)
    fewest = min(least_key_frames(config), affordable // len(chosen))
    counts = share_out_key_frames([[fit.error for fit in fits] for fits in curves], affordable, fewest)
    return [fits[count - 1] for fits, count in zip(curves, counts, strict=True)]


def _affordable(config: CondenseConfig, num_clips: int, frame_shape: tuple[int, int, int]) -> int:
    budget = config.budget_bytes
    assert budget is not None
    affordable = key_frames_within(budget, num_clips, frame_shape, config.stored_dtype)
    each = config.min_key_frames or 1
    if affordable < each * num_clips:
        raise SettingsError(
            f"--budget {config.budget} ({budget:,} bytes) allows {counted(affordable, 'key frame')} "
            f"as {config.stored_dtype}, but {num_clips:,} clips need {each} each; raise "
            "--budget, or lower --vpc"
        )
    return affordable


def _clips(videos: VideoDataset, chosen: list[int], fits: list[Fit]) -> Iterator[CondensedClip]:
    space = stored_space(videos.normalization) or PIXELS
    mean, std = (np.array(part, dtype=np.float32).reshape(-1, 1, 1) for part in space)
    for clip, fit in zip(chosen, fits, strict=True):
        # The fit can precede the normalisation, because both act on each value of a frame separately.
        key_frames = fitted_key_frames(_pixels(videos, clip), fit.positions)
        yield CondensedClip(((key_frames / _PEAK) - mean) / std, fit.positions, int(videos.labels[clip]))


def _pixels(videos: VideoDataset, clip: int) -> npt.NDArray[np.float32]:
    """Returns a real clip as pixel values from 0 to 255, (T, C, H, W) float32."""
    return np.ascontiguousarray(videos.pixels[clip, 0].transpose(0, 3, 1, 2), dtype=np.float32)


def _encoded(videos: VideoDataset, chosen: list[int], coded: list[CodedClip]) -> Iterator[CondensedClip]:
    nothing = np.empty((0, *videos.frame_shape), dtype=np.float32)
    for clip, each in zip(chosen, coded, strict=True):
        yield CondensedClip(nothing, each.positions, int(videos.labels[clip]), files=each.files)


def _check(config: CondenseConfig) -> None:
    given = [flag_of(name) for name in _SIZES if getattr(config, name) is not None]
    if len(given) != 1:
        raise SettingsError(
            "--method pack needs exactly one of --budget SIZE, --key-frames K and --max-error LEVELS, got "
            f"{' and '.join(given) or 'none'}"
        )
    if config.key_frames is not None and (config.min_key_frames or 1) > config.key_frames:
        raise SettingsError(
            f"--min-key-frames must not exceed --key-frames, got {config.min_key_frames} and "
            f"{config.key_frames}"
        )


def _key_frames(config: CondenseConfig, num_frames: int) -> tuple[int, int]:
    return 1, kept_frames(num_frames, config.key_frames)[0].size


METHOD = Method(
    run=pack,
    settings=("extractor", "min_key_frames", *_SIZES),
    dtype="uint8",
    needs_real_clips=True,
    when_compared={"key_frames": 2},
    check=_check,
    check_clips=_check_clips,
    key_frames=_key_frames,
)
