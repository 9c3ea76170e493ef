"""Start the classifier on a camera topic.

ros2 launch eevit_ros classify.launch.py image:=/camera/image_raw
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from eevit_ros.errors import EevitError
from eevit_ros.launching.dds_profile import dds_environment, default_profile
from eevit_ros.launching.shared import (
    BOOLEANS,
    ends_with_launch,
    existing_file,
    named_topics,
    respawn_only_crashes,
)
from eevit_ros.parameters.classifier import TRANSPORTS
from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory('eevit_ros'))
PARAMS_FILE = str(SHARE / 'config' / 'classifier.yaml')
DDS_PROFILE = default_profile(SHARE)
LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal']


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node with them."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image', default_value='image', description='Camera topic (sensor_msgs/Image).'
            ),
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='Several cameras in place of image: '
                'front=/front_camera/image_raw,left=/left_camera/image_raw. Empty: as in '
                'params_file.',
            ),
            DeclareLaunchArgument(
                'detections',
                default_value='',
                description="Topic of a detector's boxes (vision_msgs/Detection2DArray), which are "
                'classified in place of whole images; of several cameras front=/front/boxes,... '
                'Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', *TRANSPORTS],
                description='compressed, ffmpeg, foxglove: read <image>/compressed and so on. '
                'Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'model',
                default_value='',
                description='Path of the .onnx model file. Empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PARAMS_FILE,
                description='Parameter file of the node; arguments given here override it.',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of the node and its topics.'
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=[*LOG_LEVELS, *map(str.upper, LOG_LEVELS)],
                description='Lowest severity that is logged.',
            ),
            DeclareLaunchArgument(
                'respawn',
                default_value='true',
                choices=BOOLEANS,
                description='Restart the node 2 s after a crash.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                choices=['', *BOOLEANS],
                description='Take the time from /clock, as in a simulation. Empty: as in '
                'params_file.',
            ),
            DeclareLaunchArgument(
                'dds_profile',
                default_value=DDS_PROFILE,
                description='Fast DDS profile of the node, or none. The environment variables '
                'FASTRTPS_DEFAULT_PROFILES_FILE and FASTDDS_BUILTIN_TRANSPORTS override the '
                'default. The camera driver needs the profile too.',
            ),
            OpaqueFunction(function=start_classifier),
        ]
    )


def start_classifier(context: LaunchContext) -> list[Node]:
    """Return the classifier, configured by the arguments.

    Raises:
        EevitError: It is not said of which camera the detections are.
        FileNotFoundError: params_file or dds_profile is no file.
    """
    given = context.launch_configurations
    cameras = named_topics(given['cameras'])
    types = {'model': str, 'image_transport': str, 'use_sim_time': bool}
    explicit: dict[str, object] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in types.items()
        if given[name]
    }
    if cameras:
        explicit['cameras'] = [camera for camera, _ in cameras]
    topics = [(f'{camera}/image', topic) for camera, topic in cameras if topic]
    detections = given['detections']
    if cameras and detections and '=' not in detections:
        raise EevitError(f'detections: of several cameras give CAMERA=TOPIC,... Got {detections!r}')
    boxes = named_topics(detections) if '=' in detections else [('', detections)]
    for camera, topic in boxes if detections else ():
        own = [camera] if camera else []
        explicit['.'.join([*own, 'regions'])] = True
        topics.append(('/'.join([*own, 'regions']), topic))
    return [
        Node(
            package='eevit_ros',
            executable='classifier',
            namespace=given['namespace'],
            parameters=[existing_file('params_file', given), explicit],
            remappings=[('image', given['image']), *topics],
            ros_arguments=['--log-level', given['log_level']],
            additional_env={**dds_environment(given, DDS_PROFILE), **ends_with_launch()},
            output='screen',
            respawn=LaunchConfiguration('respawn'),
            respawn_delay=2.0,
            on_exit=respawn_only_crashes(
                'the classifier could not configure (see its last error): it is not restarted'
            ),
        )
    ]
