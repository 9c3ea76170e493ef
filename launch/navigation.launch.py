"""Start the classifier and the speed governor that passes its adaptive rate on to navigation.

ros2 launch eevit_ros navigation.launch.py image:=/camera/image_raw
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from eevit_ros.launching.params_file import params_file_for
from eevit_ros.launching.shared import (
    BOOLEANS,
    ends_with_launch,
    existing_file,
    respawn_only_crashes,
)
from eevit_ros.nodes.dds_profile import without_shared_memory
from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory('eevit_ros'))
CLASSIFY = str(SHARE / 'launch' / 'classify.launch.py')
PARAMS_FILE = str(SHARE / 'config' / 'speed_governor.yaml')
TOPICS = ('speed_limit', 'cmd_vel_in', 'cmd_vel_out')
NAME, STANDBY = 'speed_governor', 'speed_governor_standby'


def generate_launch_description() -> LaunchDescription:
    """Declare what classify.launch.py does not, include it, and start the governor."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'governor_params_file',
                default_value=PARAMS_FILE,
                description='Parameters of the governor.',
            ),
            DeclareLaunchArgument(
                'speed_limit',
                default_value='speed_limit',
                description="Topic of the limit: speed_limit_topic of Nav2's controller_server.",
            ),
            DeclareLaunchArgument(
                'controller',
                default_value='',
                description='Name of the node that obeys the limit: the limit rises once it has '
                'received the floor. Empty: as in governor_params_file.',
            ),
            DeclareLaunchArgument(
                'standby',
                default_value='true',
                choices=BOOLEANS,
                description='Whether a second governor stands by, silent, and takes over within '
                '0.3 s when the first is killed or hangs.',
            ),
            DeclareLaunchArgument(
                'command',
                default_value='',
                choices=['', 'none', 'twist', 'twist_stamped'],
                description='Type of velocity commands to scale, from cmd_vel_in to cmd_vel_out. '
                'Empty: as in governor_params_file.',
            ),
            DeclareLaunchArgument(
                'cmd_vel_in',
                default_value='cmd_vel_in',
                description='Topic of the velocity commands to scale.',
            ),
            DeclareLaunchArgument(
                'cmd_vel_out',
                default_value='cmd_vel_out',
                description='Topic of the scaled velocity commands.',
            ),
            # An error after the classifier has started would end the launch and leave it running.
            OpaqueFunction(function=check_params_file),
            # Not scoped: it declares the other arguments that start_governors reads, so they can be
            # given to this file.
            IncludeLaunchDescription(PythonLaunchDescriptionSource(CLASSIFY)),
            OpaqueFunction(function=start_governors),
        ]
    )


def check_params_file(context: LaunchContext) -> None:
    """Check governor_params_file before anything starts.

    Raises:
        FileNotFoundError: It is no file.
    """
    existing_file('governor_params_file', context.launch_configurations)


def start_governors(context: LaunchContext) -> list[Node]:
    """Return the governor and its standby, configured by the arguments."""
    given = context.launch_configurations
    types = {'command': str, 'use_sim_time': bool}
    explicit: dict[str, object] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in types.items()
        if given[name]
    }
    if given['controller']:
        explicit['controllers'] = [given['controller']]
    params = {NAME: existing_file('governor_params_file', given)}
    if given['standby'].lower() == 'true':
        params[STANDBY] = params_file_for(params[NAME], NAME, STANDBY)
        explicit['pair'] = [NAME, STANDBY]
    return [
        Node(
            package='eevit_ros',
            executable='speed_governor',
            name=name,
            namespace=given['namespace'],
            parameters=[file, explicit],
            remappings=[
                ('adaptive_rate', 'classifier/adaptive_rate'),
                ('~/speed_scale', f'{NAME}/speed_scale'),
                *((topic, given[topic]) for topic in TOPICS),
            ],
            ros_arguments=['--log-level', given['log_level']],
            additional_env={**without_shared_memory(), **ends_with_launch()},
            output='screen',
            respawn=LaunchConfiguration('respawn'),
            # Until it is back, the robot keeps to the last limit.
            respawn_delay=0.2,
            on_exit=respawn_only_crashes(
                'the speed governor refused its parameters (see its last error): it is not '
                'restarted and NOTHING LIMITS THE SPEED'
            ),
        )
        for name, file in params.items()
    ]
