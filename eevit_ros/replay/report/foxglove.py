"""The Foxglove layout that goes with an output bag."""

from __future__ import annotations

import json
from pathlib import Path

from eevit_ros.parameters.topics import CLASSIFICATION, EXIT_LAYER, FRAME

LAYOUT = Path(__file__).with_name('foxglove_layout.json')


def write_layout(folder: Path, picture_topic: str, camera: str = '') -> Path:
    """Write foxglove_layout.json, to be opened by Foxglove's 'Import from file'.

    Args:
        folder: Folder to write into.
        picture_topic: Topic of the pictures in the bag.
        camera: Which of several cameras it shows.

    Returns:
        Its path.
    """
    text = LAYOUT.read_text('utf-8')
    for topic in (CLASSIFICATION, EXIT_LAYER, FRAME):
        text = text.replace(f'{topic.full_name}.', f'{topic.of(camera).full_name}.')
    layout = json.loads(text)
    layout['configById']['Image!camera']['imageMode']['imageTopic'] = picture_topic
    path = folder / LAYOUT.name
    path.write_text(json.dumps(layout, indent=2) + '\n', 'utf-8')
    return path
