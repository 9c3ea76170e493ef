"""The topics of both nodes as data: name, type, QoS, meaning. Without ROS.

Publishers, subscriptions, the recorders' lists, the replay's output bag, the SROS2 policy and
docs/topics.md all read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

CLASSIFIER_NODE, GOVERNOR_NODE = 'classifier', 'speed_governor'


@dataclass(frozen=True)
class Topic:
    """One topic of a node.

    Attributes:
        node: Name of the node.
        name: Name as the node gives it: ~/ for its own, / for everybody's, else in its namespace.
        types: ROS type, 'package/msg/Name'; several where a parameter chooses.
        meaning: What it carries, in Markdown.
        subscribed: Whether the node subscribes; else it publishes.
        depth: Messages that are kept.
        best_effort: Whether messages may get lost; else the middleware sends them again.
        latched: Whether later subscribers get the last message.
        overridable: Whether parameters override the QoS.
        recorded: Whether the recorders take it.
        optional: Whether the node has it only with a parameter other than the default.
    """

    node: str
    name: str
    types: tuple[str, ...]
    meaning: str
    subscribed: bool = False
    depth: int = 10
    best_effort: bool = False
    latched: bool = False
    overridable: bool = False
    recorded: bool = False
    optional: bool = False

    @property
    def relative_name(self) -> str:
        """Name in the node's namespace: 'classifier/frame'."""
        return self.name.replace('~', self.node)

    def of(self, camera: str) -> Topic:
        """Return the topic of one of several cameras: '~/front/frame', 'front/image'."""
        if not camera:
            return self
        own = '~/' if self.name.startswith('~/') else ''
        return replace(self, name=f'{own}{camera}/{self.name.removeprefix(own)}')

    @property
    def full_name(self) -> str:
        """Name of a node without namespace: '/classifier/frame'."""
        return f'/{self.relative_name.lstrip("/")}'


IMAGE = Topic(
    CLASSIFIER_NODE,
    'image',
    (
        'sensor_msgs/msg/Image',
        'sensor_msgs/msg/CompressedImage',
        'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
        'foxglove_msgs/msg/CompressedVideo',
    ),
    'the camera, by `image_transport`; depth 1 for `raw` images, of which only the newest counts',
    subscribed=True,
    depth=5,
    best_effort=True,
    overridable=True,
)
RAW_IMAGE_DEPTH = 1
"""A queue of large images would only hand on old ones; of video every packet counts."""

DETECTIONS = Topic(
    CLASSIFIER_NODE,
    'regions',
    ('vision_msgs/msg/Detection2DArray',),
    'with `regions: true`: the boxes of a detector, with the header of their image '
    '([regions.md](regions.md))',
    subscribed=True,
    depth=5,
    best_effort=True,  # matches every publisher
    optional=True,
)
CLASSIFICATION = Topic(
    CLASSIFIER_NODE,
    '~/classification',
    ('vision_msgs/msg/Classification',),
    "the best `top_k` classes, best first; the header is the image's. `class_id` is the name, or "
    'the index with `class_ids: index`; `score` is the calibrated probability, 0 to 1',
    recorded=True,
)
EXIT_LAYER = Topic(
    CLASSIFIER_NODE,
    '~/exit_layer',
    ('std_msgs/msg/UInt8',),
    'layers that ran for this frame, 1 to all',
    recorded=True,
)
ADAPTIVE_RATE = Topic(
    CLASSIFIER_NODE,
    '~/adaptive_rate',
    ('std_msgs/msg/Float32',),
    '1 = nominal rate, down to `rate.floor`, never 0; with every answer, and at 10 Hz',
    recorded=True,
)
FRAME = Topic(
    CLASSIFIER_NODE,
    '~/frame',
    ('diagnostic_msgs/msg/DiagnosticArray',),
    'one stamped record a frame, [below](#the-record-of-a-frame)',
    recorded=True,
)
REGIONS = Topic(
    CLASSIFIER_NODE,
    '~/regions',
    DETECTIONS.types,
    'with `regions: true`: the message of the detector, with the classes of this model in '
    '`results`, best first',
    optional=True,
)
LABEL_INFO = Topic(
    CLASSIFIER_NODE,
    '~/label_info',
    ('vision_msgs/msg/LabelInfo',),
    'class names by index',
    depth=1,
    latched=True,
    recorded=True,
)
ANNOTATED = Topic(
    CLASSIFIER_NODE,
    '~/annotated/compressed',
    ('sensor_msgs/msg/CompressedImage',),
    'JPEG for people; drawn only while someone subscribes',
    depth=1,
)
DIAGNOSTICS = Topic(
    CLASSIFIER_NODE,
    '/diagnostics',
    ('diagnostic_msgs/msg/DiagnosticArray',),
    'status `<node>: perception`, at 1 Hz, [below](#diagnostics)',
    recorded=True,
)
CLASSIFIER = (
    IMAGE,
    DETECTIONS,
    CLASSIFICATION,
    EXIT_LAYER,
    ADAPTIVE_RATE,
    FRAME,
    REGIONS,
    LABEL_INFO,
    ANNOTATED,
    DIAGNOSTICS,
)
OF_CAMERA = tuple(topic for topic in CLASSIFIER if topic not in (LABEL_INFO, DIAGNOSTICS))
"""Each of several cameras has its own, see `Topic.of`; the rest is common to all."""

RATE_INPUT = Topic(
    GOVERNOR_NODE,
    'adaptive_rate',
    ADAPTIVE_RATE.types,
    'of the classifier; the launch file remaps it. With `rate_sources`: those topics',
    subscribed=True,
    # Depth 1: what waited in a queue while the process stalled must not count as fresh messages.
    depth=1,
    best_effort=True,  # matches every publisher
)
# As Nav2's controller server subscribes, and its speed filter publishes.
OTHER_LIMIT = Topic(
    GOVERNOR_NODE,
    'filter_speed_limit',
    ('nav2_msgs/msg/SpeedLimit',),
    'other limits, named by `limit_sources`',
    subscribed=True,
)
COMMAND = Topic(
    GOVERNOR_NODE,
    'cmd_vel_in',
    ('geometry_msgs/msg/Twist', 'geometry_msgs/msg/TwistStamped'),
    'with `command`: velocities to scale',
    subscribed=True,
    depth=1,
    best_effort=True,
    optional=True,
)
SPEED_LIMIT = Topic(
    GOVERNOR_NODE,
    'speed_limit',
    ('nav2_msgs/msg/SpeedLimit',),
    'percent of full speed, never 0, or m/s with `unit: mps`; at `publish_hz`, and at once when it '
    'falls',
    recorded=True,
)
SCALED_COMMAND = Topic(
    GOVERNOR_NODE,
    'cmd_vel_out',
    COMMAND.types,
    'with `command`: the scaled velocities, of the type of `cmd_vel_in`',
    depth=1,
    optional=True,
)
SPEED_SCALE = Topic(
    GOVERNOR_NODE,
    '~/speed_scale',
    ('std_msgs/msg/Float32',),
    'the limit as a share, 0 to 1',
)
HEARTBEAT = Topic(
    GOVERNOR_NODE,
    '~/heartbeat',
    ('std_msgs/msg/Float32MultiArray',),
    'with `pair`, at 20 Hz, for the other: 1 if this one speaks, else 0; a number that stands for '
    'its parameters; then the limit of each of `limit_sources`, percent, NaN if unknown',
    depth=1,
    best_effort=True,  # a frozen partner must not hold this one up
    optional=True,
)
GOVERNOR_DIAGNOSTICS = Topic(
    GOVERNOR_NODE,
    DIAGNOSTICS.name,
    DIAGNOSTICS.types,
    'status `<node>: speed limit`, at 1 Hz and when the reason changes',
    recorded=True,
)
GOVERNOR = (
    RATE_INPUT,
    OTHER_LIMIT,
    COMMAND,
    SPEED_LIMIT,
    SCALED_COMMAND,
    SPEED_SCALE,
    HEARTBEAT,
    GOVERNOR_DIAGNOSTICS,
)

RECORDED = (
    *(topic for topic in (*CLASSIFIER, *GOVERNOR) if topic.recorded and topic.name[0] != '/'),
    DIAGNOSTICS,  # of both
)
"""What the recorders take, each topic once."""


def of_cameras(cameras: Sequence[str], topics: Sequence[Topic]) -> list[Topic]:
    """Return what becomes of topics with several cameras: those of each, and what is common."""
    if not cameras:
        return list(topics)
    own = [topic.of(camera) for camera in cameras for topic in topics if topic in OF_CAMERA]
    return own + [topic for topic in topics if topic is ADAPTIVE_RATE or topic not in OF_CAMERA]
