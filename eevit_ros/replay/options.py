"""How a recording is replayed: what every recording of a batch has in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from eevit_ros.parameters.classifier import Settings
from eevit_ros.speed.limit import LimitSettings


@dataclass(frozen=True)
class How:
    """The command line's options that decide what comes out, checked.

    Attributes:
        settings: Parameters of the classifier.
        governor: Those of the governor.
        topic: Of the images; None finds it.
        truth: As `truth.open_truth` takes it.
        latency: As `latency.open_latency` takes it.
        real_time: Drop what a live node would drop.
        reference: Run every frame at full depth, too.
        output_bag: Write a bag of each recording, with the node's topics.
    """

    settings: Settings
    governor: LimitSettings
    topic: str | None = None
    truth: str | None = None
    latency: str = 'measured'
    real_time: bool = False
    reference: bool = False
    output_bag: bool = False

    def anywhere(self) -> How:
        """Name every file from the root: workers elsewhere have another working folder."""
        return replace(
            self,
            settings=replace(self.settings, model=self.settings.model.absolute()),
            truth=_absolute(self.truth) if self.truth else None,
            latency=_absolute(self.latency),
        )


def _absolute(text: str) -> str:
    """Return a file's path from the root; whatever is no file as it is."""
    return str(Path(text).absolute()) if Path(text).is_file() else text
