"""Every name of rclpy, launch and launch_ros that our code uses is there in Humble.

Humble cannot run here: its names stand in ros_names_humble.txt, which scripts/list_ros_names.py
made of its sources.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from harness.paths import ROOT

ROS = ('rclpy', 'launch', 'launch_ros')
OUR_NODES = ('node', '_node')  # what our code calls a node that it was given
NODE = 'rclpy.lifecycle.LifecycleNode'
LINE = re.compile(r'([\w.]+)(?: < (?P<bases>.+)|\((?P<parameters>.*)\)| = (?P<source>\S+))?$')


class Names:
    """What a ROS distribution defines."""

    def __init__(self, text: str) -> None:
        self.all: set[str] = set()
        self.bases: dict[str, list[str]] = {}
        self.parameters: dict[str, set[str]] = {}
        self.sources: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith('#'):
                continue
            found = LINE.match(line)
            assert found, line
            name = found[1]
            self.all.add(name)
            if found['bases'] is not None:
                self.bases[name] = re.findall(r'[\w.]+', found['bases'])
            elif found['parameters'] is not None:
                self.parameters[name] = set(found['parameters'].split(', '))
            elif found['source'] is not None:
                self.sources[name] = found['source']

    def origin(self, name: str) -> str:
        """Follow imports to where a name is defined."""
        while name in self.sources and self.sources[name] != name:
            name = self.sources[name]
        return name

    def family(self, name: str) -> Iterator[str]:
        """A class and all that it derives from, as far as known."""
        name = self.origin(name)
        yield name
        module = name.rpartition('.')[0]
        for base in self.bases.get(name, []):
            yield from self.family(f'{module}.{base}')

    def has_member(self, owner: str, member: str) -> bool:
        return any(f'{name}.{member}' in self.all for name in self.family(owner))

    def takes(self, called: str, keyword: str) -> bool:
        """Whether a function, a class or a method of one takes a keyword."""
        origin = self.origin(called)
        owner, _, method = called.rpartition('.')
        wheres = [origin, *(f'{name}.__init__' for name in self.family(called))]
        wheres += [f'{name}.{method}' for name in self.family(owner)]
        known = [self.parameters[where] for where in wheres if where in self.parameters]
        if any('**kwargs' in parameters for parameters in known) and called in self.bases:
            if self.has_member(called, keyword):  # QoSProfile sets what it is given by name
                return True
        return not known or any(keyword in parameters for parameters in known)


def uses(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, name and '' of each name used, or its name and a keyword given to it."""
    tree = ast.parse(source)
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_ros(node.module):
            for alias in node.names:
                imported[alias.asname or alias.name] = f'{node.module}.{alias.name}'
                yield node.lineno, f'{node.module}.{alias.name}', ''
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if is_ros(alias.name):
                    imported[alias.name.partition('.')[0]] = alias.name.partition('.')[0]
                    yield node.lineno, alias.name, ''
    if not imported:
        return
    owners = dict(imported)
    ours = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for name in defined_in(node)
    }
    if any(name.startswith('rclpy') for name in imported.values()):
        owners |= {name: NODE for name in OUR_NODES}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (owner := owner_of(node.value, owners)):
            name = f'{owner}.{node.attr}'
            on_node = name.startswith(f'{NODE}.') and name[len(NODE) + 1 :].partition('.')[0]
            if on_node not in ours:  # else `node` is one of our own classes
                yield node.lineno, name, ''
        elif isinstance(node, ast.Call) and (called := owner_of(node.func, owners)):
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield node.lineno, called, keyword.arg
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in imported:
                    yield from used_on_self(node, imported[base.id])


def used_on_self(node: ast.ClassDef, base: str) -> Iterator[tuple[int, str, str]]:
    """What a class takes from its base: attributes of `self` that it does not define itself."""
    own = defined_in(node)
    for inner in attributes_of_self(node):
        if inner.attr not in own:
            yield inner.lineno, f'{base}.{inner.attr}', ''


def defined_in(node: ast.ClassDef) -> set[str]:
    """What a class defines: its methods, and attributes that it sets."""
    methods = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
    stores = (inner for inner in attributes_of_self(node) if isinstance(inner.ctx, ast.Store))
    return methods | {inner.attr for inner in stores}


def attributes_of_self(node: ast.ClassDef) -> list[ast.Attribute]:
    return [
        inner
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == 'self'
    ]


def owner_of(node: ast.expr, owners: dict[str, str]) -> str:
    """The full name of an expression, '' where it is nothing of ROS: `node.create_timer`."""
    if isinstance(node, ast.Name):
        return owners.get(node.id, '')
    if isinstance(node, ast.Attribute):
        if node.attr in OUR_NODES and isinstance(node.value, ast.Name) and node.value.id == 'self':
            return owners.get(node.attr, '')
        owner = owner_of(node.value, owners)
        return f'{owner}.{node.attr}' if owner else ''
    return ''


def is_ros(module: str | None) -> bool:
    return (module or '').partition('.')[0] in ROS


def missing(source: str, names: Names) -> list[str]:
    """What a source uses that is not there."""
    found = []
    for line, name, keyword in uses(source):
        owner, _, member = name.rpartition('.')
        if keyword:
            if not names.takes(name, keyword):
                found.append(f'{line}: {name}({keyword}=)')
        elif name not in names.all and not names.has_member(owner, member):
            known = names.origin(owner)
            # What is neither class nor module is a value, whose type the list does not know.
            if known in names.bases or known not in names.all:
                found.append(f'{line}: {name}')
    return found


# Newer names, by file; each stands in a `try`, with Humble's beside it.
GUARDED = {
    'eevit_ros/nodes/classifier/camera.py': 'rclpy.event_handler.',  # there it is rclpy.qos_event
}


@pytest.fixture(scope='module')
def humble() -> Names:
    return Names((ROOT / 'test' / 'project' / 'ros_names_humble.txt').read_text())


def test_humble_has_every_name_that_we_use(humble: Names) -> None:
    sources = [
        path
        for folder in ('eevit_ros', 'launch', 'demo', 'drive')
        for path in (ROOT / folder).rglob('*.py')
        if re.search(
            r'^\s*(from|import) (rclpy|launch|launch_ros)\b', path.read_text(), re.MULTILINE
        )
    ]
    assert sources
    absent = []
    for path in sources:
        name = path.relative_to(ROOT).as_posix()
        guarded = GUARDED.get(name, 'nothing')
        uses = missing(path.read_text(), humble)
        absent += [f'{name}:{u}' for u in uses if not u.partition(': ')[2].startswith(guarded)]
    assert absent == []


SOURCE = 'from rclpy.node import Node\nfrom launch_ros.actions import Node as Launched\n'


@pytest.mark.parametrize(
    ('source', 'absent'),
    [
        ('from rclpy.event_handler import X', '1: rclpy.event_handler.X'),
        ('import rclpy\nrclpy.init(args=None)\nrclpy.init(no=1)', '3: rclpy.init(no=)'),
        ('import rclpy\nrclpy.try_shutdown()\nrclpy.later()', '3: rclpy.later'),
        (f'{SOURCE}node.create_timer(1, f, autostart=False)', 'create_timer(autostart=)'),
        (f'{SOURCE}self._node.add_post_set_parameters_callback(f)', 'add_post_set_parameters'),
        (f'{SOURCE}class A(Node):\n def f(self):\n  self.get_type_description()', 'get_type_desc'),
        (f'{SOURCE}Launched(package="p", autostart=True)', 'Node(autostart=)'),
        ('from rclpy.qos import QoSProfile\nQoSProfile(depths=1)\n', 'QoSProfile(depths=)'),
    ],
)
def test_what_humble_lacks_is_found(source: str, absent: str, humble: Names) -> None:
    found = missing(source, humble)
    assert len(found) == 1
    assert absent in found[0]


def test_what_humble_has_is_not_complained_about(humble: Names) -> None:
    source = (
        f'{SOURCE}from rclpy.clock import ClockType\nClockType.STEADY_TIME\n'
        'node.create_subscription(A, "a", f, 1, event_callbacks=None)\n'
        'Launched(package="p", respawn=True, on_exit=None, ros_arguments=[])\n'
        'class A(Node):\n def f(self):\n  self.x = self.get_logger()\n  self.x.info("")\n'
    )
    assert missing(source, humble) == []
