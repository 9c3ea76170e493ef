"""A bag's folder whose metadata.yaml says something else than what is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
import zstandard

from eevit_ros.recordings.bag.listing import is_bag
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import find_recordings, open_source
from harness.bags import (
    CAMERA,
    ROS1,
    images,
    stamp_of,
    storage_file,
    truths,
    write_bag,
    write_mcap,
    write_ros1,
    write_split,
)

STORAGES = pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
SUFFIX = {'mcap': '.mcap', 'sqlite3': '.db3'}


def read(path: Path) -> tuple[list[int], list[str]]:
    """Return the numbers of the images in the order in which they come, and the problems."""
    source = open_source(path, CAMERA)
    numbers = [round((f.stamp_ns - stamp_of(0)) / (stamp_of(1) - stamp_of(0))) for f in source]
    return numbers, source.problems


def split(path: Path, storage: str = 'mcap', count: int = 3) -> Path:
    """Write a bag of three images a file."""
    return write_split(path, [images(3, start=3 * i) for i in range(count)], storage)


def relist(bag: Path, change: Callable[[list[str]], object]) -> None:
    """Change the list in a bag's metadata."""
    content = yaml.safe_load((bag / 'metadata.yaml').read_text())
    info = content['rosbag2_bagfile_information']
    info['relative_file_paths'] = change(info['relative_file_paths'])
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(content))


def pack(path: Path, suffix: str) -> Path:
    """Pack a file and remove it, as `zstd --rm` does."""
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    path.unlink()
    return packed


def names(problems: list[str], *words: str) -> bool:
    """Return whether there is a problem that has all these words in it."""
    return any(all(word in problem for word in words) for problem in problems)


@STORAGES
@pytest.mark.parametrize('kept', [[], [0], [2], [1, 2]], ids=str)
def test_files_that_the_list_lacks_are_read_in_order_and_told(tmp_path, storage, kept):
    bag = split(tmp_path / 'run', storage)
    relist(bag, lambda listed: [listed[i] for i in kept])
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    lacks = [f'run_{i}{SUFFIX[storage]}' for i in range(3) if i not in kept]
    assert names(problems, str(bag / 'metadata.yaml'), *lacks)


@STORAGES
@pytest.mark.parametrize('name', ['camera', 'run', 'x_1'])
def test_a_renamed_file_is_read_in_its_place(tmp_path, storage, name):
    bag = split(tmp_path / 'run', storage)
    old = f'run_1{SUFFIX[storage]}'
    (bag / old).rename(bag / f'{name}{SUFFIX[storage]}')
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert names(problems, old, 'renamed') and names(problems, f'{name}{SUFFIX[storage]}')


def test_the_only_file_under_the_name_of_the_folder(tmp_path):
    bag = split(tmp_path / 'run', count=1)
    (bag / 'run_0.mcap').rename(bag / 'run.mcap')
    assert read(bag)[0] == [0, 1, 2]


@STORAGES
@pytest.mark.parametrize('suffix', ['.zstd', '.zst', '.ZST'])
def test_a_file_that_was_packed_by_hand_is_read_and_told(tmp_path, storage, suffix):
    bag = split(tmp_path / 'run', storage)
    packed = pack(bag / f'run_1{SUFFIX[storage]}', suffix)
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert [str(packed) in problem for problem in problems] == [True]


@STORAGES
def test_a_file_that_was_unpacked_by_hand_is_read_and_told(tmp_path, storage):
    bag = split(tmp_path / 'run', storage)
    relist(bag, lambda listed: [f'{name}.zstd' for name in listed])
    plain = f'run_1{SUFFIX[storage]}'
    for i in (0, 2):
        pack(bag / f'run_{i}{SUFFIX[storage]}', '.zstd')
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert [str(bag / plain) in problem for problem in problems] == [True]


@pytest.mark.parametrize('listed', ['.db3', '.db3.zstd'])
def test_a_file_that_is_there_plain_and_packed_counts_once(tmp_path, listed):
    """`zstd` keeps what it has packed or unpacked."""
    bag = split(tmp_path / 'run', 'sqlite3')
    content = (bag / 'run_1.db3').read_bytes()
    pack(bag / 'run_1.db3', '.zstd')
    (bag / 'run_1.db3').write_bytes(content)
    relist(bag, lambda _: [f'run_{i}{listed if i == 1 else ".db3"}' for i in range(3)])
    assert read(bag) == (list(range(9)), [])


@STORAGES
@pytest.mark.parametrize('share', [0, 0.6])
def test_what_was_half_unpacked_is_taken_from_the_packed_file(tmp_path, storage, share):
    bag = split(tmp_path / 'run', storage)
    plain = bag / f'run_1{SUFFIX[storage]}'
    content = plain.read_bytes()
    pack(plain, '.zstd')
    plain.write_bytes(content[: round(share * len(content))])
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert len(problems) == (0 if share else 1)  # that an empty file was skipped


@STORAGES
def test_the_content_counts_and_not_the_suffix(tmp_path, storage):
    bag = split(tmp_path / 'run', storage)
    suffix = SUFFIX[storage]
    packed = pack(bag / f'run_0{suffix}', '.zstd')
    packed.rename(bag / f'run_0{suffix}')  # renamed in place of being unpacked
    (bag / f'run_1{suffix}').rename(bag / f'run_1{suffix}.zstd')  # and of being packed
    assert read(bag)[0] == list(range(9))
    other = write_bag(tmp_path / 'other', images(2), storage)
    wrong = tmp_path / f'x{".db3" if storage == "mcap" else ".mcap"}'
    storage_file(other).rename(wrong)
    assert read(wrong) == ([0, 1], [])


def test_frames_of_zstd_one_after_the_other_are_one_file(tmp_path):
    """As pzstd writes them."""
    file = storage_file(write_bag(tmp_path / 'b', images(40)))
    content = file.read_bytes()
    parts = [content[:3000], content[3000:]]
    packed = tmp_path / 'x.mcap.zst'
    packed.write_bytes(b''.join(zstandard.ZstdCompressor().compress(part) for part in parts))
    assert read(packed) == (list(range(40)), [])


def test_what_is_packed_twice_is_refused(tmp_path):
    file = storage_file(write_bag(tmp_path / 'b', images(1)))
    twice = pack(pack(file, '.zst'), '.zst')
    with pytest.raises(RecordingError, match='packed once more'):
        open_source(twice.rename(tmp_path / 'x.mcap.zst'), None)


@pytest.mark.parametrize('in_order', [True, False])
def test_a_list_in_the_order_of_the_alphabet_is_put_right(tmp_path, in_order):
    bag = split(tmp_path / 'run', count=11)
    relist(bag, list if in_order else sorted)
    numbers, problems = read(bag)
    assert numbers == list(range(33))
    assert bool(problems) != in_order


def test_a_list_in_order_is_kept_where_a_clock_was_set_back(tmp_path):
    bag = write_split(tmp_path / 'run', [images(2, start=9), images(2)])
    assert read(bag)[0] == [9, 10, 0, 1]
    (bag / 'metadata.yaml').unlink()
    assert read(bag)[0] == [9, 10, 0, 1]  # the recorder's numbers say so, too


@pytest.mark.parametrize(
    'prefix', ['run/', './', '/somewhere/else/run/', 'run\\', 'C:\\bags\\run\\', '../run/']
)
def test_a_listed_path_means_the_file_in_the_folder(tmp_path, prefix):
    bag = split(tmp_path / 'run')
    relist(bag, lambda listed: [prefix + name for name in listed])
    assert read(bag) == (list(range(9)), [])


def test_a_listed_path_may_lead_elsewhere(tmp_path):
    bag = split(tmp_path / 'run')
    (bag / 'first').mkdir()
    (bag / 'run_0.mcap').rename(bag / 'first' / 'run_0.mcap')
    (bag / 'run_2.mcap').rename(tmp_path / 'run_2.mcap')
    relist(bag, lambda _: ['first/run_0.mcap', 'run_1.mcap', str(tmp_path / 'run_2.mcap')])
    assert read(bag) == (list(range(9)), [])


def test_a_file_that_is_listed_twice_is_read_once(tmp_path):
    bag = split(tmp_path / 'run')
    relist(bag, lambda listed: [*listed, listed[0], f'run/{listed[1]}'])
    assert read(bag)[0] == list(range(9))


@pytest.mark.parametrize('kind', ['a copy', 'without a list', 'repaired'])
def test_a_copy_beside_its_file_is_left_out_and_told(tmp_path, kind):
    bag = split(tmp_path / 'run')
    copy = bag / 'run_1 (1).mcap'
    if kind == 'repaired':
        write_mcap(copy, images(3, start=3))
    else:
        shutil.copy(bag / 'run_1.mcap', copy)
    if kind == 'without a list':
        (bag / 'metadata.yaml').unlink()
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert names(problems, 'run_1 (1).mcap', 'run_1.mcap', 'skipped')


def test_files_that_start_with_the_same_latched_message_are_no_copies(tmp_path):
    (latched,) = truths('a')
    first = min(log_ns for _, _, log_ns, _ in images(1))
    latched = (*latched[:2], first - 1, latched[3])
    bag = write_split(tmp_path / 'run', [[latched, *images(3, start=3 * i)] for i in range(3)])
    (bag / 'metadata.yaml').unlink()
    assert read(bag)[0] == list(range(9))


def test_what_is_packed_otherwise_is_named(tmp_path):
    bag = split(tmp_path / 'run')
    (bag / 'run_1.mcap').rename(bag / 'run_1.mcap.gz')
    numbers, problems = read(bag)
    assert numbers == [0, 1, 2, 6, 7, 8]
    assert names(problems, 'unpack run_1.mcap.gz')
    (bag / 'run_1.mcap.gz').rename(bag / 'run_1.mcap.part')  # a download that broke off
    assert not names(read(bag)[1], 'unpack')


def test_an_unfinished_bag_of_ros_1_is_not_passed_over(tmp_path):
    file = write_ros1(tmp_path / 'x.bag', images(3, types=ROS1))
    file = file.rename(tmp_path / 'x.bag.active')
    file.write_bytes(file.read_bytes()[:-100])
    assert find_recordings(tmp_path) == [file]
    with pytest.raises(RecordingError, match='rosbag reindex'):
        open_source(file, None)


def test_two_cameras_that_started_together_are_no_copies(tmp_path):
    bag = write_bag(tmp_path / 'run', images(3))
    write_mcap(bag / 'rear.mcap', images(3, topic='/rear'))
    numbers, problems = read(bag)
    assert numbers == [0, 1, 2]
    assert names(problems, 'rear.mcap')
    assert len(list(open_source(bag, '/rear'))) == 3


@pytest.mark.parametrize('listed', [[], None, 'run_0.mcap', [3], [None], [['run_0.mcap']], {}])
def test_a_list_that_is_none_is_done_without(tmp_path, listed):
    bag = split(tmp_path / 'run')
    relist(bag, lambda _: listed)
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert names(problems, 'metadata.yaml')


def test_metadata_that_break_off_are_done_without(tmp_path):
    bag = split(tmp_path / 'run')
    text = (bag / 'metadata.yaml').read_text()
    for end in range(0, len(text), 97):
        (bag / 'metadata.yaml').write_text(text[:end])
        assert read(bag)[0] == list(range(9))


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_metadata_from_another_system_are_read(tmp_path, encoding):
    bag = split(tmp_path / 'run')
    text = (bag / 'metadata.yaml').read_text().replace('\n', '\r\n')
    (bag / 'metadata.yaml').write_bytes(text.encode(encoding))
    assert read(bag) == (list(range(9)), [])


@pytest.mark.parametrize('version', [0, 1, 99, 'x'])
def test_metadata_of_any_version_will_do(tmp_path, version):
    bag = split(tmp_path / 'run')
    content = yaml.safe_load((bag / 'metadata.yaml').read_text())
    content['rosbag2_bagfile_information']['version'] = version
    content['rosbag2_bagfile_information']['storage_identifier'] = 'none'
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(content))
    assert read(bag) == (list(range(9)), [])


@pytest.mark.parametrize('listed', [True, False])
def test_files_of_other_systems_are_no_recordings(tmp_path, listed):
    (tmp_path / 'recordings').mkdir()
    bag = split(tmp_path / 'recordings' / 'run')
    for path in (bag, bag.parent):
        for name in ('._run_0.mcap', '._metadata.yaml', '.DS_Store', '._film.mp4', '._x.bag'):
            (path / name).write_bytes(b'\x00\x05\x16\x07 Mac OS X')
    (bag / 'run_0.db3-shm').write_bytes(b'x')
    if not listed:
        (bag / 'metadata.yaml').unlink()
    assert find_recordings(bag.parent) == [bag]
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert not names(problems, '._')


@pytest.mark.parametrize(
    'name', ['X.MCAP', 'X.DB3', 'X.BAG', 'X.MCAP.ZSTD', 'X.Db3.Zst', 'X.BAG.ZST']
)
def test_upper_case_suffixes(tmp_path, name):
    kind = name.split('.')[1].lower()
    if kind == 'bag':
        file = write_ros1(tmp_path / 'x.bag', images(3, types=ROS1))
    else:
        storage = 'mcap' if kind == 'mcap' else 'sqlite3'
        file = storage_file(write_bag(tmp_path / 'b', images(3), storage))
    if name.count('.') == 2:
        file = pack(file, '.zst')
    (tmp_path / 'bags').mkdir()
    file = file.rename(tmp_path / 'bags' / name)
    assert is_bag(file)
    assert read(file) == ([0, 1, 2], [])
    if kind != 'bag':
        assert read(tmp_path / 'bags')[0] == [0, 1, 2]
    else:
        assert find_recordings(tmp_path / 'bags') == [file]


def test_a_file_system_without_upper_case_is_no_difference(tmp_path):
    bag = split(tmp_path / 'run')
    (bag / 'run_1.mcap').rename(bag / 'RUN_1.MCAP')
    numbers, problems = read(bag)
    assert numbers == list(range(9))
    assert names(problems, 'RUN_1.MCAP')


def test_the_path_of_the_metadata_means_the_bag(tmp_path):
    bag = split(tmp_path / 'run')
    source = open_source(bag / 'metadata.yaml', None)
    assert (source.name, source.frames, source.problems) == ('run', 9, [])
    assert find_recordings(bag / 'metadata.yaml') == [bag]
