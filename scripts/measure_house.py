"""Measures how the code is laid out: files a folder, and what one camera frame walks through.

build/venv/bin/python -m scripts.measure_house

Files are those that git tracks. A frame's way is measured in a real `ClassifierNode` with the
tests' tiny model: the subscription's callback gets a raw image, and whatever runs is noted, in this
and in the inference thread, until the answer is published and the thread ends.

Counted are the functions of `eevit_ros` that are entered from another file (or by a library): where
a reader has to turn to another file. Each counts once. What they call within their own file is
counted apart. Methods and properties are functions; a lambda or comprehension belongs to the
function around it, and what `dataclass` generates has no source.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from statistics import median
from types import CodeType, FrameType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray

from eevit_ros.nodes.classifier.node import ClassifierNode
from harness.classifier_peer import MIDDLE, raw_image
from harness.paths import ROOT
from harness.ros_process import RosPeer
from harness.tiny_model import write_tiny_model

PACKAGE = ROOT / 'eevit_ros'
TREES = ('eevit_ros', 'eevit_ros/replay', 'model_export', 'test', 'harness')
MOST_FILES = 15
MOST_FUNCTIONS, MOST_WALKED_FILES = 25, 14
FIRST_FRAMES = 10  # what the first few alone do is not a frame's way


@dataclass
class Walk:
    """What runs of the package while `is_on`, in threads that begin after `threading.setprofile`.

    Attributes:
        entered: Functions that another file calls, in the order in which they are reached.
        helpers: Those that are only called within their own file.
    """

    is_on: bool = False
    entered: dict[CodeType, None] = field(default_factory=dict)
    helpers: dict[CodeType, None] = field(default_factory=dict)

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        """Take an event of `sys.setprofile`: who was called or returns, and the caller."""
        if self.is_on and event in ('call', 'return'):
            for one in (frame.f_back, frame):
                if one is not None and _is_ours(one.f_code):
                    (self.helpers if _is_helper(one) else self.entered)[one.f_code] = None


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(f'{PACKAGE}/') and not code.co_name.startswith('<')


def _is_helper(frame: FrameType) -> bool:
    caller = frame.f_back
    return caller is not None and caller.f_code.co_filename == frame.f_code.co_filename


def walk_of_a_frame() -> Walk:
    """Return what one raw image walks through until its answer is published."""
    walk = Walk()
    threading.setprofile(walk.note)
    with tempfile.TemporaryDirectory() as folder, RosPeer() as peer:
        answers = peer.listen(DiagnosticArray, '/classifier/frame')
        with _active_node(Path(folder), peer.domain_id) as node:
            (callback,) = (s.callback for s in node.subscriptions if s.topic_name == '/image')

            def is_answered() -> bool:
                callback(raw_image(MIDDLE))
                return len(answers) >= FIRST_FRAMES

            peer.until(is_answered, 'the first answers')
            message = raw_image(MIDDLE)
            walk.is_on = True
            sys.setprofile(walk.note)
            callback(message)
            sys.setprofile(None)
            peer.until(
                lambda: any(one.header.stamp == message.header.stamp for one in answers),
                'the answer',
            )
            node.trigger_deactivate()  # waits until the inference thread has ended
            walk.is_on = False
    threading.setprofile(None)
    return walk


@contextmanager
def _active_node(folder: Path, domain_id: int) -> Iterator[ClassifierNode]:
    """Yield an active classifier, which nobody spins: no timer runs beside the frame."""
    model = write_tiny_model(folder / 'tiny.onnx')
    rclpy.init(args=['--ros-args', '-p', f'model:={model}'], domain_id=domain_id)
    node = ClassifierNode()
    try:
        node.trigger_configure()
        node.trigger_activate()
        yield node
    finally:
        node.release()
        node.destroy_node()
        rclpy.shutdown()


def files_in_folders(tree: str) -> Counter[str]:
    """Return how many files each folder of a tree holds itself, less those of its own row."""
    listed = subprocess.run(
        ['git', 'ls-files', tree], cwd=ROOT, capture_output=True, text=True, check=True
    )
    inner = [other for other in TREES if other.startswith(f'{tree}/')]
    paths = [PurePosixPath(line) for line in listed.stdout.splitlines()]
    return Counter(
        str(path.parent) for path in paths if not any(path.is_relative_to(one) for one in inner)
    )


def main() -> int:
    """Print both tables; return 1 if a folder or a frame's way is over its limit."""
    is_over = False
    largest = f'most in one folder (at most {MOST_FILES})'
    print(f'{"tree":<18}{"files":>7}{"folders":>9}{"median":>8}   {largest}')
    for tree in TREES:
        counts = files_in_folders(tree)
        ((folder, most),) = counts.most_common(1)
        is_over |= most > MOST_FILES
        figures = f'{counts.total():>7}{len(counts):>9}{median(counts.values()):>8.3g}'
        print(f'{tree:<18}{figures}   {most} in {folder}')
    walk = walk_of_a_frame()
    files: dict[str, list[str]] = {}
    for code in walk.entered:
        file = str(Path(code.co_filename).relative_to(ROOT))
        name = getattr(code, 'co_qualname', code.co_name)  # Python 3.10 knows the short one alone
        files.setdefault(file, []).append(name)
    helpers = len(walk.helpers.keys() - walk.entered.keys())
    print(
        f'\none frame: {len(walk.entered)} functions in {len(files)} files, '
        f'and {helpers} helpers within these files'
        f' (at most {MOST_FUNCTIONS} in {MOST_WALKED_FILES})'
    )
    for file, names in files.items():
        print(f'{file:<42}{", ".join(names)}')
    is_over |= len(walk.entered) > MOST_FUNCTIONS or len(files) > MOST_WALKED_FILES
    return int(is_over)


if __name__ == '__main__':
    sys.exit(main())
