"""Properties are judged by their truth: a busy machine may stall any example for seconds."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    'patient', max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('patient')
