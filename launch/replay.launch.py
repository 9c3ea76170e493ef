"""Play a recording into the classifier and the speed governor, and record their answers.

ros2 launch eevit_ros replay.launch.py bag:=path/to/bag
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import get_logger
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node

from eevit_ros.launching import rosbag2_cli as rosbag2
from eevit_ros.launching.dds_profile import dds_environment, default_profile
from eevit_ros.launching.replay import LaunchedReplay
from eevit_ros.launching.replay_arguments import OWN_RECORDER, boxes_of, cameras_of, prepare
from eevit_ros.launching.shared import ends_with_launch
from eevit_ros.nodes.bags.answers import Answers
from eevit_ros.parameters.topics import (
    CLASSIFIER_NODE,
    DETECTIONS,
    FRAME,
    RECORDED,
    REGIONS,
    SPEED_LIMIT,
    Topic,
    of_cameras,
)
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = Path(get_package_share_directory('eevit_ros'))
NAVIGATION = str(SHARE / 'launch' / 'navigation.launch.py')


def generate_launch_description() -> LaunchDescription:
    """Declare what navigation.launch.py does not, include it, and start player and recorder."""
    replay = LaunchedReplay()
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'bag', description='Path of a bag, a video or a folder of pictures.'
            ),
            DeclareLaunchArgument(
                'topic',
                default_value='',
                description="Topic of the bag's images. Empty: the only one. Several cameras: "
                'front=/front/image_raw,left=/left/image_raw.',
            ),
            DeclareLaunchArgument(
                'detections',
                default_value='',
                description="Topic of the bag's detections (vision_msgs/Detection2DArray), whose "
                'boxes are classified in place of whole images; of several cameras '
                'front=/front/boxes,... Empty: none.',
            ),
            DeclareLaunchArgument(
                'transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='How images are played: on image, or on image/compressed. Empty: as '
                'recorded with rosbag2, which can play no other; else raw.',
            ),
            DeclareLaunchArgument(
                'rate', default_value='1.0', description='Playback speed; 1 is the recorded pace.'
            ),
            DeclareLaunchArgument(
                'output',
                default_value='replay_recording',
                description='Folder of the bag to record; it must not exist yet.',
            ),
            DeclareLaunchArgument(
                'player',
                default_value='auto',
                choices=['auto', 'rosbag2', 'eevit'],
                description="What plays and records: rosbag2, or this package's own bag_player and "
                'bag_recorder. auto: rosbag2 for its own whole bags, if it is installed.',
            ),
            # An error after a process was started would end the launch and leave it running.
            OpaqueFunction(function=lambda context: prepare(context.launch_configurations)),
            *replay.handlers(),
            SetParameter('use_sim_time', True),
            # Not scoped: it declares the other arguments that are read here, so they can be given
            # to this file.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(NAVIGATION)),
            OpaqueFunction(function=start, args=[replay]),
        ]
    )


def start(context: LaunchContext, replay: LaunchedReplay) -> list[LaunchDescriptionEntity]:
    """Start recorder and player."""
    given = context.launch_configurations
    boxes = boxes_of(given)
    frames = [FRAME.of(camera) for camera in cameras_of(given) or ['']]
    answers = [full_name(x.relative_name, given) for x in (*frames, *map(REGIONS.of, boxes))]
    environment = dds_environment(given, default_profile(SHARE))  # of the sender
    if given['player'] == 'eevit':
        player, recorder = own_player(given, answers, environment), own_recorder(given)
        replay.watch(player=player, recorder=recorder)
        return [recorder, player]
    images = full_name(given['image'], given)
    suffix = '' if given['transport'] == 'raw' else f'/{given["transport"]}'
    images = f'{images.removesuffix(suffix)}{suffix}'
    played = {given['topic']: images} | {x: full_name(x, given) for x in boxes.values()}
    player, recorder = rosbag2_player(given, played, environment), rosbag2_recorder(given)
    heard = Answers(get_ros_node(context), answers[0])
    replay.watch(player=player, recorder=recorder, summary=partial(summary, dict(given), heard))
    # Started paused: rosbag2's recorder, too, subscribes only once it has received the time.
    resume = ExecuteProcess(name='rosbag2_resume', cmd=rosbag2.RESUME, output='log')
    needed = [(CLASSIFIER_NODE, topic) for topic in played.values()]
    needed += [(rosbag2.RECORDER_NODE, topic) for topic in answers]
    return [recorder, player, replay.when_subscribed(needed, resume)]


def summary(given: dict[str, str], heard: Answers) -> str:
    """Return how many images rosbag2 has played, what became of them, and what it has recorded."""
    bag, output = (Path(given[name]).expanduser() for name in ('bag', 'output'))
    _, _, played = rosbag2.recorded_images(bag, given['topic'])
    told, warning = heard.outcome_of(played, min(played, heard.stamps.total()))
    if warning:
        get_logger('eevit_ros.launch').warning(
            f'{warning}, or the bag is damaged (player:=eevit tells, and reads more than rosbag2)'
        )
    _, recorded = rosbag2.recorded_topics(output).get(heard.topic, ('', 0))
    return f'played {played} images of {given["topic"]}; {told}; {recorded} answers in {output}'


def rosbag2_player(
    given: dict[str, str], played: dict[str, str], environment: dict[str, str]
) -> ExecuteProcess:
    """Return rosbag2's player, paused, which plays recorded topics on others."""
    bag = Path(given['bag']).expanduser()
    command = rosbag2.play_command(bag, played, given['rate'])
    return ExecuteProcess(
        name='rosbag2_player', cmd=command, additional_env=environment, output='screen'
    )


def rosbag2_recorder(given: dict[str, str]) -> ExecuteProcess:
    """Return rosbag2's recorder of the answers."""
    topics = [
        full_name(given['speed_limit'] if topic is SPEED_LIMIT else topic.relative_name, given)
        for topic in to_record(given)
    ]
    command = rosbag2.record_command(Path(given['output']).expanduser(), topics)
    return ExecuteProcess(name='rosbag2_recorder', cmd=command, output='screen')


def to_record(given: dict[str, str]) -> list[Topic]:
    """Return the topics to record."""
    return [*of_cameras(cameras_of(given), RECORDED), *map(REGIONS.of, boxes_of(given))]


def own_player(given: dict[str, str], answers: list[str], environment: dict[str, str]) -> Node:
    """Return the node that plays, once the recorder has subscribed to the answers."""
    texts = {
        name: ParameterValue(given[name], value_type=str) for name in ('bag', 'topic', 'detections')
    }
    own = {
        'transport': given['transport'],
        'rate': float(given['rate']),
        'wait_for': [*answers, full_name(given['speed_limit'], given)],
        'wait_for_nodes': [CLASSIFIER_NODE, OWN_RECORDER],
        'use_sim_time': False,
    }
    return Node(
        package='eevit_ros',
        executable='bag_player',
        namespace=given['namespace'],
        parameters=[{**texts, **own}],
        remappings=[
            ('image', given['image']),
            *((DETECTIONS.of(camera).name, topic) for camera, topic in boxes_of(given).items()),
        ],
        ros_arguments=['--log-level', given['log_level']],
        additional_env={**environment, **ends_with_launch()},
        output='screen',
    )


def own_recorder(given: dict[str, str]) -> Node:
    """Return the node that records."""
    output = Path(given['output']).expanduser()
    topics = [topic.relative_name for topic in to_record(given)]
    return Node(
        package='eevit_ros',
        executable='bag_recorder',
        namespace=given['namespace'],
        parameters=[{'output': ParameterValue(str(output), value_type=str), 'topics': topics}],
        remappings=[('speed_limit', given['speed_limit'])],
        ros_arguments=['--log-level', given['log_level']],
        additional_env=ends_with_launch(),
        output='screen',
    )


def full_name(topic: str, given: dict[str, str]) -> str:
    """Return a topic's full name, as the nodes in the namespace resolve it."""
    namespace = given['namespace'].strip('/')
    return topic if topic.startswith('/') else f'/{namespace}/{topic}'.replace('//', '/')
