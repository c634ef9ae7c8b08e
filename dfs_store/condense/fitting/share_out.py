"""Distributes a budget among clips by choosing, for each clip, an option with some cost and error."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PricedOption", "share_out"]


@dataclass(frozen=True)
class PricedOption:
    """One of the ways in which a clip can be stored.

    Attributes:
        cost: cost in bytes, or in key frames.
        error: sum of squared errors, in the same unit for all clips.
    """

    cost: int
    error: float


def share_out(options: Sequence[Sequence[PricedOption]], budget: int) -> list[int]:
    """Returns the index of the option to use for each clip, so that the sum of errors is small.

    Each clip starts with its cheapest option. The rest of the budget is then spent greedily where it reduces
    the error most per cost, along the lower convex hull of each clip's options. This is optimal except for a
    remainder of the budget that is too small for any clip's next step.

    Args:
        options: the options of each clip, at least one.
        budget: limit for the total cost of all clips, at least the sum of their cheapest options.
    """
    hulls = [_hull(own) for own in options]
    # The next step of every clip, with the largest gain per cost first.
    ready = [(-_gain(options[clip], hull, 0), clip, 0) for clip, hull in enumerate(hulls) if len(hull) > 1]
    heapq.heapify(ready)
    taken = [0] * len(options)
    left = budget - sum(own[hull[0]].cost for own, hull in zip(options, hulls, strict=True))
    while ready:
        _, clip, place = heapq.heappop(ready)
        own, hull = options[clip], hulls[clip]
        cost = own[hull[place + 1]].cost - own[hull[place]].cost
        if cost > left:
            continue  # skips the later steps of this clip as well
        taken[clip] = place + 1
        left -= cost
        if place + 2 < len(hull):
            heapq.heappush(ready, (-_gain(own, hull, place + 1), clip, place + 1))
    return [hull[place] for hull, place in zip(hulls, taken, strict=True)]


def _gain(options: Sequence[PricedOption], hull: list[int], place: int) -> float:
    here, there = options[hull[place]], options[hull[place + 1]]
    return (here.error - there.error) / (there.cost - here.cost)


def _hull(options: Sequence[PricedOption]) -> list[int]:
    """Returns the indices of the options on the descending lower convex hull, cheapest first."""
    order = sorted(range(len(options)), key=lambda number: (options[number].cost, options[number].error))
    hull: list[int] = []
    for number in order:
        if hull and options[number].error >= options[hull[-1]].error:
            continue  # costs at least as much and is not better
        while len(hull) > 1 and _above(options[hull[-2]], options[hull[-1]], options[number]):
            hull.pop()
        hull.append(number)
    return hull


def _above(left: PricedOption, middle: PricedOption, right: PricedOption) -> bool:
    slope = (right.error - left.error) / (right.cost - left.cost)
    return middle.error > left.error + slope * (middle.cost - left.cost)
