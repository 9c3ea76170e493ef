"""Where a camera's images are, by name and by what the graph shows."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node

from eevit_ros.parameters.topics import ANNOTATED, IMAGE

RAW = 'raw'
_MOST_NAMED = 3


def candidates(image: str, transport: str) -> list[str]:
    """Return the full names of the topics that may carry a transport's messages, likeliest first.

    Args:
        image: Full name to which `image` is remapped: of the camera's topic without a transport, as
            with image_transport, or of just that topic which `ros2 topic list` shows.
        transport: 'raw', 'compressed', ...
    """
    if transport == RAW or image.endswith(f'/{transport}'):
        return [image]
    return [f'{image}/{transport}', image]


def other_images(
    node: Node,
    image: str,
    transport: str,
    types: Mapping[str, str],
    *,
    anywhere: bool,
    camera: str = '',
) -> str:
    """Return which topics carry images that the node is not set to, and the arguments for them.

    Args:
        node: Node that asks; annotated images do not count.
        image: As in `candidates`.
        transport: Transport that the node is set to.
        types: Message type of each transport.
        anywhere: Whether to look beyond the topics that belong to `image`, and to those of the
            node's other cameras.
        camera: Name of the camera that the arguments are for; '' of the only one.
    """
    found = []
    of_cameras = {subscription.topic_name for subscription in node.subscriptions}
    for topic, kind in _image_topics(node, types):
        needed = next(name for name, type_name in types.items() if type_name == kind)
        of_image = topic in candidates(image, needed)
        wanted = [] if of_image else [f'{IMAGE.of(camera).name}:={topic}']
        own = f'{camera}.' if camera else ''
        wanted += [] if needed == transport else [f'{own}image_transport:={needed}']
        if wanted and (of_image or (anywhere and topic not in of_cameras)):
            found.append((not of_image, needed != RAW, topic, kind, ' '.join(wanted)))
    found.sort()
    if found and not found[0][0]:
        found = found[:1]  # another transport of the same camera: there is no better guess
    more = f' (and {len(found) - _MOST_NAMED} more)' if len(found) > _MOST_NAMED else ''
    return ', '.join(f'{x[2]} has {x[3]}: give {x[4]}' for x in found[:_MOST_NAMED]) + more


def publishes(node: Node, topic: str, type_name: str) -> bool:
    """Return whether anybody publishes this type on the topic."""
    return type_name in {info.topic_type for info in node.get_publishers_info_by_topic(topic)}


def _image_topics(node: Node, types: Mapping[str, str]) -> list[tuple[str, str]]:
    drawn = ANNOTATED.name.lstrip('~')  # by this node, or by another one of its kind
    return [
        (topic, kind)
        for topic, kinds in node.get_topic_names_and_types()
        if not topic.endswith(drawn)
        for kind in kinds
        if kind in types.values() and publishes(node, topic, kind)
    ]
