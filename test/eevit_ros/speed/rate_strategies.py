"""Settings and values of every kind, for the property tests of the rate."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from eevit_ros.speed.rate import MAPPINGS, PHYSICAL_RANGE, RateSettings

# No time limits: a busy machine is no fault of the code.
THOROUGH = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

physical = st.one_of(st.floats(0.05, 5), st.floats(*PHYSICAL_RANGE))

rate_settings = st.builds(
    lambda confidences, **others: RateSettings(
        min_confidence=confidences[0], easy_confidence=confidences[1], **others
    ),
    confidences=st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted),
    floor=st.floats(0.01, 1),
    mappings=st.lists(st.sampled_from(MAPPINGS), min_size=1, max_size=5).map(tuple),
    easy_depth=st.floats(0, 1),
    easy_contrast=st.floats(0.1, 127.5),
    reference_cycle_s=physical,
    max_speed_mps=physical,
    deceleration_mps2=physical,
    sight_distance_m=physical,
    attack_s=st.one_of(st.just(0.0), st.floats(1e-3, 10)),
    release_per_s=st.floats(1e-3, 100),
    easy_frames=st.integers(1, 6),
    stale_after_s=st.floats(0.05, 3),
)

ages = st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 20), st.none())

contrasts = st.one_of(st.none(), st.floats(0, 127.5))

anything = st.floats(allow_nan=True, allow_infinity=True)
