"""Exact arithmetic with fractions that users type as decimals."""

import math
from fractions import Fraction

__all__ = ["floor_share"]


def floor_share(share: float, whole: int) -> int:
    """Returns floor(share * whole), computed exactly for the decimal that the user typed.

    In floating point, 0.29 * 100 is 28.999999999999996, whose floor is 28.

    Args:
        share: a finite number; its `repr` is taken as the exact value.
        whole: the number to multiply by the share.
    """
    return math.floor(Fraction(repr(float(share))) * whole)
