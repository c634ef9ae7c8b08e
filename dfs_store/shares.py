"""Shares of a whole, as people write them."""

import math
from fractions import Fraction

__all__ = ["floor_share"]


def floor_share(share: float, whole: int) -> int:
    """Returns floor(share * whole), exactly for the decimal that was typed.

    In floating point 0.29 * 100 is 28.999999999999996, whose floor is 28.

    Args:
        share: finite; what `repr` prints of it is taken as its exact value.
        whole: a number of things.
    """
    return math.floor(Fraction(repr(float(share))) * whole)
