"""An interval: a share that was counted on a sample, with the range in which the true share lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Z_95", "Interval", "wilson"]

Z_95 = 1.959963984540054
"""Quantile 0.975 of the standard normal distribution: two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A share from 0 to 1 as counted, and its lower and upper bound."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.share:.3f} ({self.low:.3f} to {self.high:.3f})"


def wilson(found: int, trials: int, *, z: float = Z_95) -> Interval:
    """The share found / trials with its score interval; stays within 0 and 1 at the edges, too.

    Args:
        found: 0 to trials.
        trials: at least 1, taken as independent.

    Raises:
        ValueError: the counts are not a share.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if trials < 1 or not 0 <= found <= trials:
        raise ValueError(f"{found} of {trials} is not a share")
    share = found / trials
    spread = z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    # At 0 and 1 the bound is exact; rounding must not move it to the other side of the share.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))
