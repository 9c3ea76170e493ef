"""The package says the same thing everywhere, and installs everything that it uses at run time."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from pathlib import Path

import pytest

from harness.paths import ROOT
from scripts.setup_env import BUILD_TOOLS, EXTRAS


@pytest.fixture(scope='module')
def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return parser


@pytest.fixture(scope='module')
def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs the data files as pip and colcon do, without building anything else."""
    prefix = tmp_path_factory.mktemp('prefix')
    command = [sys.executable, 'setup.py', '--quiet', 'install_data', '--install-dir', str(prefix)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return prefix


@pytest.mark.parametrize('key', ['name', 'version', 'license', 'maintainer'])
def test_package_xml_and_setup_cfg_agree(
    key: str, config: configparser.ConfigParser, manifest: ElementTree.Element
) -> None:
    assert config['metadata'][key] == manifest.findtext(key)


def test_the_changelog_has_an_entry_for_this_version(config: configparser.ConfigParser) -> None:
    version = config['metadata']['version']
    assert f'\n## [{version}] - ' in (ROOT / 'CHANGELOG.md').read_text()


def test_package_xml_names_every_ros_package_that_the_code_imports(
    manifest: ElementTree.Element,
) -> None:
    depends = {element.text for element in manifest.findall('exec_depend')}
    sources = [*(ROOT / 'eevit_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    imports: set[str] = set()
    for source in sources:
        imports |= set(re.findall(r'^\s*(?:from|import) (\w+)', source.read_text(), re.MULTILINE))
    ros = {
        name
        for name in imports
        if name.endswith(('_msgs', '_interfaces')) or name.startswith(('rclpy', 'launch', 'ament_'))
    }
    assert 'rclpy' in ros
    assert ros <= depends


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # catkin_pkg's use of pyparsing
def test_a_robot_without_nav2_need_not_install_it() -> None:
    package = pytest.importorskip('catkin_pkg.package')
    found = package.parse_package(str(ROOT / 'package.xml'))
    for asked, wanted in (({}, False), ({'EEVIT_ROS_NAV2': '1'}, True)):
        found.evaluate_conditions(asked)
        needed = {d.name for d in found.exec_depends if d.evaluated_condition}
        assert ('nav2_msgs' in needed) == wanted
        assert 'vision_msgs' in needed


def test_pyproject_holds_no_metadata_that_humble_would_ignore() -> None:
    assert not re.search(r'^\[project', (ROOT / 'pyproject.toml').read_text(), re.MULTILINE)


def test_no_requirement_pulls_an_onnx_runtime_that_nobody_chose(
    config: configparser.ConfigParser, manifest: ElementTree.Element
) -> None:
    assert 'onnxruntime' not in config['options']['install_requires']
    assert not [e for e in manifest if 'onnxruntime' in (e.text or '')]
    extras = config['options.extras_require']
    choices = {name for name, value in extras.items() if 'onnxruntime' in value}
    assert choices == {'cpu', 'gpu'}


def test_the_oldest_packages_are_those_of_the_document() -> None:
    lines = (ROOT / 'constraints-oldest.txt').read_text().splitlines()
    pins = [match for line in lines if (match := re.match(r'([\w-]+)==([\d.]+)', line))]
    table = (ROOT / 'docs' / 'platforms.md').read_text().partition('| Python | NumPy |')[2]
    listed = set(re.findall(r'\b\d+\.\d+\.\d+\b', table.partition('\n\n')[0]))
    robot = ('numpy', 'onnxruntime', 'opencv-python-headless')
    pinned = {'.'.join(pin[2].split('.')[:3]) for pin in pins if pin[1] in robot}
    assert listed == pinned


@pytest.mark.parametrize('extra', ['cpu', 'opencv', 'demo', 'video', 'replay', 'cluster'])
def test_the_oldest_of_each_requirement_is_tested(
    config: configparser.ConfigParser, extra: str
) -> None:
    lines = (ROOT / 'constraints-oldest.txt').read_text().splitlines()
    pins = dict(re.findall(r'^([\w-]+)==(\d+\.\d+)', '\n'.join(reversed(lines)), re.MULTILINE))
    for line in config['options.extras_require'][extra].split():
        name, _, least = line.partition('>=')
        # Of some there are no wheels so old.
        assert [int(x) for x in pins[name].split('.')] >= [int(x) for x in least.split('.')[:2]]


@pytest.mark.parametrize('folder', ['launch', 'config', 'models'])
def test_every_file_that_a_robot_needs_is_installed(folder: str, installed: Path) -> None:
    tracked = subprocess.run(
        ['git', 'ls-files', folder], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip(f'git lists no files under {folder}/ (no git checkout, or none yet)')
    share = installed / 'share' / 'eevit_ros'
    needed = [name for name in tracked if name.endswith(('.py', '.yaml', '.xml', '.onnx', '.md'))]
    assert needed
    assert not [name for name in needed if not (share / name).is_file()]


def test_ros_finds_the_installed_package(installed: Path) -> None:
    index = installed / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'eevit_ros'
    assert index.is_file()
    assert (installed / 'share' / 'eevit_ros' / 'package.xml').is_file()


def test_setup_env_without_a_compiler_names_the_apt_command(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / 'scripts' / 'setup_env.py'), '--level', 'demo']
    environment = {'PATH': str(tmp_path), 'HOME': os.environ.get('HOME', '/')}
    result = subprocess.run(
        [*command, '--venv', str(tmp_path / 'venv')],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert 'sudo apt install g++' in result.stdout
    assert 'Traceback' not in result.stderr
    assert not (tmp_path / 'venv').exists()


# Type hashes of vision_msgs 4.1.1 itself, and of nav2_msgs 1.1.20 (Humble) and 1.3.13 (Jazzy): with
# equal hashes, nodes built with either understand each other.
HASHES = {
    'nav2_msgs/msg/SpeedLimit': '83d8e4e842559f4d9a988b19d31b162216ec738536389f98438d1a166f91845a',
    'vision_msgs/msg/Classification': (
        'f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143'
    ),
    'vision_msgs/msg/LabelInfo': '3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
    'vision_msgs/msg/ObjectHypothesis': (
        '51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90'
    ),
    'vision_msgs/msg/BoundingBox2D': (
        '008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f'
    ),
    'vision_msgs/msg/Detection2D': (
        '0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea'
    ),
    'vision_msgs/msg/Detection2DArray': (
        '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    ),
    'vision_msgs/msg/ObjectHypothesisWithPose': (
        '41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc'
    ),
    'vision_msgs/msg/Point2D': ('eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247'),
    'vision_msgs/msg/Pose2D': ('b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648'),
    'vision_msgs/msg/VisionClass': (
        '1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a'
    ),
}


@pytest.mark.parametrize('name', sorted(HASHES))
def test_our_copies_of_messages_are_compatible_with_the_real_ones(name: str) -> None:
    description = Path(sys.prefix, 'share', f'{name}.json')
    if not description.is_file():
        pytest.skip(f'{name} comes from a ROS installation here, not from interfaces/')
    listed = json.loads(description.read_text())['type_hashes']
    hashes = {entry['type_name']: entry['hash_string'] for entry in listed}
    assert hashes[name] == f'RIHS01_{HASHES[name]}'


IMPORTS = """
import importlib, sys
from pathlib import Path
for module in sys.argv[1:]:
    importlib.import_module(module)
from eevit_ros.recordings.bag import writer
from eevit_ros.recordings.open import open_source
next(iter(open_source(Path('demo/bag'), None)))
print(*sorted({name.partition('.')[0] for name in sys.modules}))
"""


def test_what_the_first_steps_start_is_in_the_environment_that_they_make(
    config: configparser.ConfigParser,
) -> None:
    """That of `make demo`: what the modules import is of its extras, or came with them."""
    pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
    page = (ROOT / 'docs' / 'first_steps.md').read_text()
    modules = set(re.findall(r'build/venv/bin/python -m ([\w.]+)', page))
    assert len(modules) == 3
    command = [sys.executable, '-c', IMPORTS, *sorted(modules)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    owners = metadata.packages_distributions()
    imported = {canonical(one) for name in ran.stdout.split() for one in owners.get(name, ())}
    extras = config['options.extras_require']
    base = [config['options']['install_requires']]
    there = packages([*base, *(extras[one] for one in EXTRAS['demo'])])
    elsewhere = packages([*base, *extras.values()]) - there - set(BUILD_TOOLS)
    assert not sorted(imported & elsewhere)


def packages(requirements: list[str]) -> set[str]:
    """Return the packages that these requirements install, with what those need."""
    return with_dependencies({canonical(line) for text in requirements for line in text.split()})


def canonical(requirement: str) -> str:
    """Return the name of the package of a requirement, as registries write it."""
    return re.split(r'[^\w.-]', requirement)[0].lower().replace('_', '-')


def with_dependencies(names: set[str]) -> set[str]:
    """Return these packages and all that they install with them."""
    found: set[str] = set()
    while new := names - found:
        found |= new
        for name in new:
            with contextlib.suppress(metadata.PackageNotFoundError):  # of an extra left out here
                for line in metadata.requires(name) or ():
                    if 'extra ==' not in line:
                        names = names | {canonical(line)}
    return found
