"""The time that a curve of time against risk needs for a risk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def seconds_at(risk: Values, curve_risk: Values, curve_seconds: Values) -> Values:
    """Return the time that a curve needs for a risk, in each draw.

    Between two settings it is interpolated; outside the curve its end counts. A setting that is
    slower than another and misses no less does not count.

    Args:
        risk: float64 (B,).
        curve_risk: float64 (B, K), of the curve's settings.
        curve_seconds: float64 (B, K), their times.
    """
    found = []
    for wanted, risks, seconds in zip(risk, curve_risk, curve_seconds, strict=True):
        order = np.argsort(seconds, kind='stable')  # the fastest first
        times, best = seconds[order], np.minimum.accumulate(risks[order])
        first = int(np.argmax(best <= wanted))  # the fastest that is good enough
        if best[first] > wanted:
            found.append(times[-1])
        elif first == 0:
            found.append(times[0])
        else:
            share = (best[first - 1] - wanted) / (best[first - 1] - best[first])
            found.append(times[first - 1] + share * (times[first] - times[first - 1]))
    return np.array(found)
