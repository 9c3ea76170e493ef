"""How recordings are replayed: the command line's options, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eevit_ros.parameters.classifier import Settings
from eevit_ros.speed.limit import LimitSettings


@dataclass(frozen=True)
class ReplayOptions:
    """Options that all recordings of a replay share.

    Attributes:
        settings: Parameters of the classifier.
        governor: Parameters of the speed governor.
        topic: Topic of the images; None takes the only one.
        truth: Source of the labels, see `truth.open_truth`.
        latency: Time that a frame keeps the network busy, see `latency.open_latency`.
        real_time: Whether to drop the frames that a live node would drop.
        reference: Whether to run every answered frame at full depth, too.
        output_bag: Whether to write a bag of each recording, with the node's topics.
        given: Classifier parameters that were set on the command line, for the report.
        workers: Processes on this computer.
        cluster: Address of a Dask scheduler to use instead; '' for none.
    """

    settings: Settings
    governor: LimitSettings
    topic: str | None = None
    truth: str | None = None
    latency: str = 'measured'
    real_time: bool = False
    reference: bool = False
    output_bag: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    cluster: str = ''

    def absolute(self) -> ReplayOptions:
        """Return the options with absolute paths: workers may run in another folder."""
        return replace(
            self,
            settings=replace(self.settings, model=self.settings.model.absolute()),
            truth=_absolute(self.truth) if self.truth else None,
            latency=_absolute(self.latency),
        )


def _absolute(text: str) -> str:
    """Return the absolute path of a file; any other text as it is."""
    return str(Path(text).absolute()) if Path(text).is_file() else text
