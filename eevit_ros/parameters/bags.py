"""The parameters of player and recorder, checked, as settings; read at start. Without ROS."""

from __future__ import annotations

from dataclasses import dataclass

from eevit_ros.errors import EevitError
from eevit_ros.parameters.topics import RECORDED
from eevit_ros.settings import parameter

DEFAULT_TOPICS = [topic.relative_name for topic in RECORDED]


def _topics(value: object) -> tuple[str, ...]:
    topics = value if isinstance(value, (list, tuple)) else [value] if value else []
    names = [topic for topic in topics if isinstance(topic, str)]
    if len(names) < len(topics):
        raise EevitError(
            f"parameter 'wait_for' must be a topic, or a list of topics. Got {value!r}"
        )
    return tuple(names)


@dataclass(frozen=True)
class PlayerSettings:
    """The parameters of `bag_player`; checks itself."""

    bag: str = parameter(
        '', 'Path of a bag, a video or a folder of pictures; ~ is the home folder.'
    )
    topic: str = parameter(
        '',
        "Topic of a bag's images, as recorded, or its base name. Empty: the only one. Several "
        'cameras: front=/front/image_raw,left=/left/image_raw, each played on its <camera>/image.',
    )
    detections: str = parameter(
        '',
        "Topic of a bag's detections (vision_msgs/Detection2DArray), played on `regions` for a "
        'classifier with `regions`; of several cameras front=/front/boxes,..., each on its '
        '<camera>/regions. Empty: none.',
    )
    transport: str = parameter(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: the recorded JPEG and PNG files, '
        'unchanged, on `image`/compressed, or on `image` if its name ends so.',
        choices=('raw', 'compressed'),
    )
    rate: float = parameter(1.0, 'Playback speed; 1 is the recorded pace.', 0.01, 100.0)
    wait_for: tuple[str, ...] = parameter(
        '',
        'Topic that also needs a subscriber, such as a recorder, before playing starts; or a list '
        'of topics.',
        any_type=True,
        convert=_topics,
    )
    wait_for_nodes: tuple[str, ...] = parameter(
        [],
        'Names of nodes, without namespace, such as [classifier, bag_recorder]: only their '
        'subscriptions to what is played and to `wait_for` count, not those of an echo or a '
        'viewer. Empty: any.',
    )

    def __post_init__(self) -> None:
        """Refuse to play nothing."""
        if not self.bag:
            raise EevitError(
                "parameter 'bag' must be the path of a bag, a video or a folder. Got ''"
            )


@dataclass(frozen=True)
class RecorderSettings:
    """The parameters of `bag_recorder`; checks itself."""

    output: str = parameter('', 'Folder of the bag; it must not exist yet. ~ is the home folder.')
    topics: tuple[str, ...] = parameter(DEFAULT_TOPICS, 'Topics to record.')
    cameras: tuple[str, ...] = parameter(
        [],
        "The classifier's `cameras`: of each its topics are recorded, in place of those of one "
        'camera among the default of `topics`.',
    )

    def __post_init__(self) -> None:
        """Refuse a recording to nowhere, or of nothing."""
        if not self.output:
            raise EevitError("parameter 'output' must be the path of a new folder. Got ''")
        if not self.topics:
            raise EevitError("parameter 'topics' must name at least one topic. Got none")
