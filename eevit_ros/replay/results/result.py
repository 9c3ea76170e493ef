"""What a replay returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Result:
    """Tables and figures of a replay; all but the tables is in report.json.

    Attributes:
        frames: One row a frame, see `frame_table`.
        limits: One row a tick, see `frame_table.LIMIT_COLUMNS`.
        summary: Figures, see `summary.summarise`.
        facts: Model, machine, parameters and recordings.
        problems: What was skipped or looks suspicious, one sentence each.
    """

    frames: pd.DataFrame
    limits: pd.DataFrame
    summary: dict[str, Any]
    facts: dict[str, Any]
    problems: list[str]
