"""Resampling: how far a figure of a sample carries, by drawing the sample again from itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["DRAWS", "SEED", "bootstrap"]

DRAWS = 2000
"""Draws of a percentile interval: more move its ends by less than a figure that is shown. Source: Efron and Tibshirani,
section 14.3, who ask for at least 1,000."""

SEED = 20020701
"""The same sample gives the same interval, wherever it is made."""


def bootstrap(count: int, figure: Callable[[npt.NDArray[np.intp]], float]) -> tuple[float, float]:
    """The two-sided 95 % percentile interval of a figure of ``count`` things.

    Args:
        count: at least 1.
        figure: makes it of places in the sample, shape (count,), in which some stand twice and some not at all; what
            belongs to one thing stays together, so that pairs are compared as pairs.

    Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall 1993, chapter 13; for the
    comparison of two rankings on the same queries T. Sakai, "Evaluating evaluation metrics based on the bootstrap",
    SIGIR 2006, 525-532.
    """
    drawn = np.random.default_rng(SEED)
    values = [figure(drawn.integers(0, count, size=count)) for _ in range(DRAWS)]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
