"""Encodes pack's key frames as image files, given their number per clip, a maximum error or a byte budget."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dfs_store.condense.config import CondenseConfig
from dfs_store.condense.events import ClipsFitted, Event
from dfs_store.condense.fitting.coded_fit import CodedClip, CodedOption, coded_clip, coded_options
from dfs_store.condense.fitting.key_frame_fit import Fit, best_fits, gram_matrix
from dfs_store.condense.fitting.share_out import share_out
from dfs_store.errors import SettingsError
from dfs_store.format.accounting import count_index
from dfs_store.format.coded.codec import codec_versions
from dfs_store.format.coded.encoder import encoding_threads
from dfs_store.format.coded.encoding import FrameEncoding, gives_quality
from dfs_store.format.coded.levels import psnr

__all__ = ["describe_encoding", "encoded_clips", "least_key_frames", "mean_psnr", "psnr_or_none"]

Floats = npt.NDArray[np.float32]
Clips = Sequence[Callable[[], Floats]]
Tell = Callable[[Event], None]
Made = TypeVar("Made")

_EXACT = 1e-9  # largest mean squared error that rounding alone can cause


def encoded_clips(
    config: CondenseConfig, encoding: FrameEncoding, clips: Clips, tell: Tell
) -> list[CodedClip]:
    """Encodes the key frames of real clips as image files.

    Args:
        config: the settings; `key_frames`, `max_error` or `budget` determines the number of key frames.
        encoding: encoding and quality.
        clips: functions that each return a clip (T, 3, H, W) float32 in 8-bit levels.
        tell: called with progress events.

    Raises:
        SettingsError: the budget is too small for one key frame of each clip at the lowest quality.
    """
    if config.budget is None:
        total = len(clips)
        return _in_threads(lambda clip: _one(config, encoding, clips[clip]()), total, total, 0, tell)
    return _within_budget(config, encoding, clips, tell)


def least_key_frames(config: CondenseConfig) -> int:
    """Returns the fewest key frames per clip, by default 2 with a budget, as 1 makes a still image."""
    return config.min_key_frames or (1 if config.budget is None else 2)


def _least_bytes(measured: Sequence[tuple[object, Sequence[CodedOption]]]) -> int:
    return sum(min(each.cost for each in own) for _, own in measured)


def mean_psnr(mean_squares: Sequence[float]) -> dict[str, float | None]:
    """Returns the clips' mean PSNR and the PSNR of their mean squared error, in dB; None if all are exact."""
    each = [psnr(square) for square in mean_squares if square > _EXACT]
    return {
        "psnr": round(float(np.mean(each)), 2) if each else None,
        "psnr_of_mean_error": psnr_or_none(float(np.mean(mean_squares))),
    }


def psnr_or_none(mean_square: float) -> float | None:
    """Returns the PSNR in dB, or None if the clip is rebuilt exactly."""
    return None if mean_square <= _EXACT else round(psnr(mean_square), 2)


def describe_encoding(coded: Sequence[CodedClip], encoding: FrameEncoding) -> dict[str, Any]:
    """Returns the provenance entry that describes how the clips are encoded."""
    qualities = [clip.quality for clip in coded]
    return {
        "quality": qualities[0] if len(set(qualities)) == 1 else [min(qualities), max(qualities)],
        "software": codec_versions(encoding.name),
        "clipped_share": float(np.mean([clip.clipped for clip in coded])),
    }


def _one(config: CondenseConfig, encoding: FrameEncoding, frames: Floats) -> CodedClip:
    """Encodes a clip with `key_frames` key frames, or with the fewest that do not exceed `max_error`."""
    fits = best_fits(gram_matrix(frames))
    if config.key_frames is not None:
        return coded_clip(frames, fits[config.key_frames - 1], encoding)
    assert config.max_error is not None
    allowed = config.max_error**2 * frames.size
    coded = None
    for fit in fits[least_key_frames(config) - 1 :]:
        if fit.error <= allowed or fit is fits[-1]:
            coded = coded_clip(frames, fit, encoding)
            if coded.error <= allowed:
                return coded
    assert coded is not None
    return coded  # no fit stays within `max_error` once encoded, so the last one is used


def _within_budget(
    config: CondenseConfig, encoding: FrameEncoding, clips: Clips, tell: Tell
) -> list[CodedClip]:
    fixed = count_index(0, 0, 3, "uint8", encoding=encoding.name)
    assert config.budget_bytes is not None
    budget = config.budget_bytes - fixed
    any_quality = not gives_quality(config.encoding)

    def measure(clip: int) -> tuple[list[Fit], list[CodedOption]]:
        frames = clips[clip]()
        fits = best_fits(gram_matrix(frames))
        share = budget / len(clips)
        return fits, coded_options(frames, fits, encoding, any_quality=any_quality, share_bytes=share)

    total = 2 * len(clips)
    measured = _in_threads(measure, len(clips), total, 0, tell)
    fewest = least_key_frames(config)
    enough = [(fits, [each for each in own if each.count >= fewest] or own) for fits, own in measured]
    if config.min_key_frames is not None or _least_bytes(enough) <= budget:
        measured = enough
    least = _least_bytes(measured)
    if least > budget:
        raise SettingsError(
            f"--budget {config.budget} ({budget + fixed:,} bytes) is too small: {len(clips):,} clips need at "
            f"least {least + fixed:,} bytes as {encoding.name}; raise --budget, or lower --vpc"
        )
    numbers = share_out([own for _, own in measured], budget)
    chosen = [own[number] for (_, own), number in zip(measured, numbers, strict=True)]

    def make(clip: int) -> CodedClip:
        wanted = FrameEncoding(encoding.name, chosen[clip].quality)
        return coded_clip(clips[clip](), measured[clip][0][chosen[clip].count - 1], wanted)

    return _in_threads(make, len(clips), total, len(clips), tell)


def _in_threads(
    make: Callable[[int], Made], num_clips: int, total: int, before: int, tell: Tell
) -> list[Made]:
    """Returns `make(clip)` for all clips, computed in threads, and reports each clip."""
    found = []
    with ThreadPoolExecutor(encoding_threads()) as pool:
        for done, made in enumerate(pool.map(make, range(num_clips)), start=1):
            tell(ClipsFitted(before + done, total))
            found.append(made)
    return found
