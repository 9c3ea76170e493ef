"""The nodes' topics in config/ and docs/topics.md, from `eevit_ros.parameters.topics`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from eevit_ros.parameters import topics
from eevit_ros.parameters.topics import Topic
from eevit_ros.reporting.table import markdown_table

PAGE = Path(__file__).parents[1] / 'docs' / 'topics.md'

CAMERA = '/camera/image_raw'
REMAPPED = {
    topics.IMAGE: (CAMERA, f'{CAMERA}/compressed'),
    topics.RATE_INPUT: (topics.ADAPTIVE_RATE.full_name,),
    # Of both governors of a pair.
    topics.SPEED_SCALE: (topics.SPEED_SCALE.full_name,),
}
"""Names on the robot of topics that are remapped there."""

PAIR = (topics.GOVERNOR_NODE, 'speed_governor_standby')  # as navigation.launch.py names them

OF_ROS = ('/parameter_events', '/rosout')
SERVICES = (
    'describe_parameters',
    'get_parameter_types',
    'get_parameters',
    'get_type_description',
    'list_parameters',
    'set_parameters',
    'set_parameters_atomically',
)
LIFECYCLE_SERVICES = (
    'change_state',
    'get_available_states',
    'get_available_transitions',
    'get_state',
    'get_transition_graph',
)

POLICY = """\
<?xml version="1.0" encoding="UTF-8"?>
<!--
  Written by `python -m scripts.generate` from eevit_ros/parameters/topics.py.

  Least permissions of classifier, governor and its standby, for SROS2. An example: copy it, replace
  the camera topic and the namespaces by your own, and add the enclaves of the camera driver, of
  Nav2 and of whoever manages the nodes. SECURITY.md says how. What is not listed is not allowed.
  Omitted on purpose: /clock (only for use_sim_time; whoever publishes it sets the time), what
  rate_sources names, other speed limits than filter_speed_limit; cmd_vel_in and cmd_vel_out
  (parameter `command` of the governor); regions and ~/regions (parameter `regions` of the
  classifier). Without a standby leave out its enclave and the topics heartbeat.

  With the classifier's `cameras`, repeat the lines of one camera for each: its image topics, and
  {own} as ~/front/... too.
-->
<policy version="0.2.0">
  <enclaves>
{enclaves}  </enclaves>
</policy>
"""

ENCLAVE = """\
<enclave path="/eevit_ros/{node}">
  <profiles>
    <profile ns="/" node="{node}">
      <topics subscribe="ALLOW">
{subscribed}      </topics>
      <topics publish="ALLOW">
{published}      </topics>
      <services reply="ALLOW">
{services}      </services>
    </profile>
  </profiles>
</enclave>
"""

RECORDER = """\
# What to record on the robot, for rosbag2's recorder as a node (Jazzy and newer; Humble has no such
# node, only the command in docs/recording.md). The folder must be new:
#   SHARE=$(ros2 pkg prefix eevit_ros)/share/eevit_ros
#   ros2 run rosbag2_transport recorder --ros-args \\
#       --params-file $SHARE/config/rosbag2_recorder.yaml \\
#       -p record.qos_profile_overrides_path:=$SHARE/config/rosbag2_recorder_qos.yaml \\
#       -p storage.uri:=$HOME/bags/run1
# Written by `python -m scripts.generate`; the nodes' topics are those of
# eevit_ros/parameters/topics.py.
rosbag2_recorder:
  ros__parameters:
    use_sim_time: false
    record:
      topics:
        # The camera: your own names. A replay can repeat exactly what the classifier reads, raw or
        # compressed.
        - {camera}/compressed
        - /camera/camera_info
        # Classifier and governor.
{topics}        # The robot.
        - /cmd_vel
        - /odom
        - /tf
        - /tf_static
      # Several cameras: name their image topics above, and add this.
      # regex: '/classifier/[^/]+/({own})'
      # How often to look for topics that appear later: every 0.1 s; the default is 0.001 s.
      topic_polling_interval: {{sec: 0, nsec: 100000000}}
      # QoS for some topics, such as rosbag2_recorder_qos.yaml; without it, the publishers' QoS.
      qos_profile_overrides_path: ''
      disable_keyboard_controls: true
    storage:
      # The folder of the bag.
      uri: ''
      storage_id: mcap
      # Compresses what gets smaller by it; JPEGs stay as they are. none takes no time, zstd_small
      # more.
      storage_preset_profile: zstd_fast
      # A new file every so many bytes and seconds: a crash costs part of the last one.
      max_bagfile_size: 2147483648
      max_bagfile_duration: 300
      # Bytes that wait in memory for the disk: a second or two of a camera.
      max_cache_size: 16777216
"""


def policy() -> str:
    """Return config/sros2/policy.xml."""
    classifier = enclave(
        topics.CLASSIFIER,
        ('~/transition_event', *OF_ROS),
        (*SERVICES, *LIFECYCLE_SERVICES),
        node=topics.CLASSIFIER_NODE,
    )
    enclaves = classifier + ''.join(
        enclave(
            (*topics.GOVERNOR, replace(topics.HEARTBEAT, optional=False), beat_of(other)),
            OF_ROS,
            SERVICES,
            node=name,
        )
        for name, other in (PAIR, reversed(PAIR))
    )
    own = ', '.join(topic.name for topic in topics.OF_CAMERA if not topic.subscribed)
    return POLICY.format(enclaves=textwrap.indent(enclaves, '    '), own=own)


def beat_of(other: str) -> Topic:
    """Return what one governor of a pair hears of the other."""
    name = topics.HEARTBEAT.name.replace('~', f'/{other}')
    return replace(topics.HEARTBEAT, name=name, subscribed=True, optional=False)


def enclave(
    of_node: Iterable[Topic], of_ros: Iterable[str], services: Iterable[str], *, node: str
) -> str:
    """Return what one node may do: its own topics, and those and the services of every node."""
    default = [topic for topic in of_node if not topic.optional]
    subscribed, published = (
        [
            name
            for topic in default
            if topic.subscribed == is_subscribed
            for name in REMAPPED.get(topic, (topic.name,))
        ]
        for is_subscribed in (True, False)
    )
    return ENCLAVE.format(
        node=node,
        subscribed=_elements('topic', subscribed),
        published=_elements('topic', (*published, *of_ros)),
        services=_elements('service', (f'~/{name}' for name in services)),
    )


def recorder() -> str:
    """Return config/rosbag2_recorder.yaml."""
    lines = ''.join(f'        - {topic.full_name}\n' for topic in topics.RECORDED)
    own = '|'.join(topic.name.removeprefix('~/') for topic in topics.OF_CAMERA if topic.recorded)
    return RECORDER.format(camera=CAMERA, topics=lines, own=own)


def page() -> str:
    """Return docs/topics.md with its two tables of topics written anew."""
    text = PAGE.read_text('utf-8')
    for of_node in (topics.CLASSIFIER, topics.GOVERNOR):
        node = of_node[0].node
        found = re.search(rf'^## {node}\n\n((?:\|.*\n)+)', text, re.MULTILINE)
        if found is None:
            raise ValueError(f'{PAGE} must have a table right below ## {node}')
        text = text[: found.start(1)] + table(of_node) + text[found.end(1) :]
    return text


def table(of_node: Iterable[Topic]) -> str:
    """Return a Markdown table, a row a topic."""
    rows = [
        [
            f'`{topic.name}`' + ' (subscribed)' * topic.subscribed,
            types(topic),
            qos(topic),
            topic.meaning,
        ]
        for topic in of_node
    ]
    return markdown_table(['topic', 'type', 'QoS', ''], rows) + '\n'


def types(topic: Topic) -> str:
    """Return the types as people write them: 'sensor_msgs/Image or CompressedImage'."""
    package = topic.types[0].partition('/')[0]
    names = (name.removeprefix(f'{package}/msg/') for name in topic.types)
    return f'{package}/{" or ".join(names)}'


def qos(topic: Topic) -> str:
    """Return what of the QoS is not as the page says of all topics."""
    words = {
        'best effort': topic.best_effort,
        'latched (transient local)': topic.latched,
        f'depth {topic.depth}': topic.depth != Topic.depth,
        '[overridable](parameters.md#classifier)': topic.overridable,
    }
    return ', '.join(word for word, holds in words.items() if holds)


def _elements(tag: str, names: Iterable[str]) -> str:
    return ''.join(f'        <{tag}>{name}</{tag}>\n' for name in names)
