"""How recordings are replayed: the command line's options, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eevit_ros.parameters.classifier import Settings
from eevit_ros.recordings.cameras import CamerasSource, CamerasTruth
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.source import Source
from eevit_ros.recordings.truth import Truth, open_truth
from eevit_ros.speed.limit import LimitSettings


@dataclass(frozen=True)
class CameraOptions:
    """What is special to one of several cameras.

    Attributes:
        settings: Parameters of the classifier as they hold for this camera.
        topic: Topic of its images; None takes the only one.
        detections: Topic of its detections, with `regions`; None takes the only one.
        truth: Source of its labels, see `truth.open_truth`.
        weight: How often it has its turn, see `NewestFrames`.
    """

    settings: Settings
    topic: str | None = None
    detections: str | None = None
    truth: str | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class ReplayOptions:
    """Options that all recordings of a replay share.

    Attributes:
        settings: Parameters of the classifier.
        governor: Parameters of the speed governor.
        topic: Topic of the images; None takes the only one.
        detections: Topic of the detections, with `regions`; None takes the only one.
        truth: Source of the labels, see `truth.open_truth`.
        latency: Time that a frame keeps the network busy, see `latency.open_latency`.
        real_time: Whether to drop the frames that a live node would drop.
        reference: Whether to run every answered frame at full depth, too.
        output_bag: Whether to write a bag of each recording, with the node's topics.
        given: Classifier parameters that were set on the command line, for the report.
        workers: Processes on this computer.
        cluster: Address of a Dask scheduler to use instead; '' for none.
        cameras: Several cameras by name; empty for the only one, by `settings`, `topic`, `truth`.
    """

    settings: Settings
    governor: LimitSettings
    topic: str | None = None
    detections: str | None = None
    truth: str | None = None
    latency: str = 'measured'
    real_time: bool = False
    reference: bool = False
    output_bag: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    cluster: str = ''
    cameras: Mapping[str, CameraOptions] = field(default_factory=dict)

    @property
    def by_camera(self) -> Mapping[str, CameraOptions]:
        """Every camera by name; the only one by ''."""
        only = CameraOptions(self.settings, self.topic, self.detections, self.truth)
        return self.cameras or {'': only}

    @property
    def with_regions(self) -> bool:
        """Whether the boxes of a camera's detector are classified."""
        return any(one.settings.region.regions for one in self.by_camera.values())

    def open(self, path: Path, *, labelled: bool = True) -> tuple[Source, Truth]:
        """Open a recording with its labels, or without.

        Raises:
            RecordingError: It cannot be read, or a topic or the labels are missing.
        """
        sources = {
            name: open_source(path, one.topic, one.settings.images)
            for name, one in self.by_camera.items()
        }
        labels: dict[str | None, Truth] = {}
        truths = {}
        for name, one in self.by_camera.items():
            # With regions it is about boxes, see `RegionReplay`.
            spec = one.truth if labelled and not one.settings.region.regions else None
            if spec not in labels:
                labels[spec] = open_truth(spec, sources[name])
            truths[name] = labels[spec]
        if not self.cameras:
            return sources[''], truths['']
        return CamerasSource(sources, truths), CamerasTruth(truths)

    def absolute(self) -> ReplayOptions:
        """Return the options with absolute paths: workers may run in another folder."""
        return replace(
            self,
            settings=replace(self.settings, model=self.settings.model.absolute()),
            truth=_absolute(self.truth) if self.truth else None,
            latency=_absolute(self.latency),
            cameras={
                name: replace(one, truth=_absolute(one.truth) if one.truth else None)
                for name, one in self.cameras.items()
            },
        )


def _absolute(text: str) -> str:
    """Return the absolute path of a file; any other text as it is."""
    return str(Path(text).absolute()) if Path(text).is_file() else text
