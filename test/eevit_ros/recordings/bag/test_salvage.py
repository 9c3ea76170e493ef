from __future__ import annotations

import random
import re
import shutil
import sqlite3
import struct
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType
from rosbags.rosbag2 import CompressionMode

from eevit_ros.recordings.bag import files as bag_files
from eevit_ros.recordings.bag.source import BagSource
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source
from harness.bags import (
    CAMERA,
    TRUTH,
    images,
    pixels,
    stamp_of,
    storage_file,
    truths,
    write_bag,
    write_mcap,
    write_ros1,
    write_split,
)
from harness.bags import ROS1 as ROS1_TYPES

COUNT = 40
SECONDS = r'\d+\.\d{9}'


def read(source, **size: int) -> list[int]:
    """Read all frames; each must be whole and one of the images, in order. Return their numbers."""
    frames = list(source)
    numbers = [round((f.stamp_ns - stamp_of(0)) / (stamp_of(1) - stamp_of(0))) for f in frames]
    assert numbers == sorted(set(numbers))
    for frame, number in zip(frames, numbers, strict=True):
        assert frame.stamp_ns == stamp_of(number)
        np.testing.assert_array_equal(frame.decode(), pixels(number, **size))
    return numbers


def cut(path, share: float):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def killed(path):
    """Take away what a recorder writes last: index, end record and magic."""
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(struct.pack('<BQI', 0x0F, 4, 0)[:9])])
    return path


def mcap(path, **options):
    options = {'chunk_size': 2000, 'compression': CompressionType.NONE} | options
    return write_mcap(path, images(COUNT) + truths('x' * COUNT), **options)


@pytest.mark.parametrize('options', [{}, {'use_chunking': False}, {'chunk_size': 10**6}], ids=str)
def test_a_killed_recorder_loses_only_what_it_had_not_written(tmp_path, options):
    file = killed(mcap(tmp_path / 'x.mcap', **options))
    source = open_source(file, None)
    assert source.frames == COUNT
    assert read(source) == list(range(COUNT))
    (problem,) = source.problems
    assert problem == (
        f'{file}: the file ends at byte {file.stat().st_size} and was never closed after {COUNT} '
        f'images on {CAMERA}, the last of stamp 1700000002.723456802: the rest is lost'
    )
    assert len(source.stamped_labels(TRUTH)) == COUNT


@pytest.mark.parametrize(
    'options',
    [{}, {'use_chunking': False}, {'compression': CompressionType.ZSTD}],
    ids=str,
)
def test_a_truncated_mcap_is_read_as_far_as_it_goes(tmp_path, options):
    file = cut(mcap(tmp_path / 'x.mcap', **options), 0.4)
    source = open_source(file, None)
    numbers = read(source)
    assert source.frames == len(numbers)
    assert numbers == list(range(len(numbers)))
    assert 0.2 * COUNT < len(numbers) < COUNT
    (problem,) = source.problems
    assert problem.startswith(f'{file}: the file ends in the middle of a record, the one at byte ')
    assert f' after {len(numbers)} images on {CAMERA}, the last of stamp ' in problem
    assert problem.endswith('the rest is lost')


@pytest.mark.parametrize('size', [{}, {'height': 40, 'width': 60}], ids=['a page', 'pages'])
def test_a_truncated_sqlite_file_is_read_as_far_as_it_goes(tmp_path, size):
    bag = write_bag(tmp_path / 'b', images(200, **size), 'sqlite3')
    file = cut(storage_file(bag), 0.6)
    source = open_source(bag, None)
    numbers = read(source, **size)
    assert source.frames == len(numbers)
    assert numbers == list(range(len(numbers)))
    assert 80 < len(numbers) < 160
    assert source.problems == [
        f'{file}: the file is damaged (database disk image is malformed) after {len(numbers)} '
        f'images on {CAMERA}, the last of stamp {source_stamp(numbers[-1])}: the rest is lost, '
        f'unless sqlite3 {file.name} .recover helps'
    ]


def sqlite_file(tmp_path):
    file = storage_file(write_bag(tmp_path / 'b', images(COUNT), 'sqlite3'))
    return file, bytearray(file.read_bytes())


def test_a_sqlite_file_is_read_up_to_its_first_damaged_row(tmp_path):
    file, data = sqlite_file(tmp_path)
    with closing(sqlite3.connect(file)) as database:
        at = data.index(database.execute('SELECT data FROM messages WHERE id = 10').fetchone()[0])
    at -= 14  # in front of the data: length of this header, types of 4 columns, topic and time
    assert data[at] == 6
    data[at] = 0x7F
    file.write_bytes(data)
    source = open_source(file, CAMERA)
    assert read(source) == list(range(9))
    (problem,) = source.problems
    assert problem.startswith(f'{file}: ') and f'sqlite3 {file.name} .recover' in problem


def test_a_row_of_no_topic_is_told(tmp_path):
    file, _ = sqlite_file(tmp_path)
    with closing(sqlite3.connect(file)) as database:
        database.execute('UPDATE messages SET topic_id = 77 WHERE id IN (3, 4)')
        database.commit()
    source = open_source(file, CAMERA)
    assert read(source) == [i for i in range(COUNT) if i not in (2, 3)]
    assert ['2 message' in problem for problem in source.problems] == [True]


def test_a_time_that_is_no_number_is_told(tmp_path):
    file, _ = sqlite_file(tmp_path)
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE messages SET timestamp = 'x' WHERE id = 5")
        database.commit()
    source = open_source(file, CAMERA)
    assert read(source) == list(range(COUNT))
    assert ['image 4' in problem for problem in source.problems] == [True]


@pytest.mark.parametrize('chunks', [True, False])
def test_messages_that_turned_into_something_else_are_told(tmp_path, chunks):
    """Without a checksum: a record of a kind that readers pass over."""
    file = mcap(
        tmp_path / 'x.mcap',
        use_chunking=chunks,
        compression=CompressionType.NONE,
        enable_crcs=False,
    )
    data = bytearray(file.read_bytes())
    # In front of the image: opcode and length, channel and sequence, two times.
    _, _, log_ns, _ = images(COUNT)[-1]
    at = data.index(struct.pack('<QQ', log_ns, log_ns)) - 15
    assert data[at] == 0x05
    data[at] = 0xFF
    file.write_bytes(data)
    source = open_source(file, CAMERA)
    assert read(source) == list(range(COUNT - 1))
    (problem,) = source.problems
    # The file's own count: of the topic, or with that of the labels.
    assert re.search(rf'{COUNT} .* {COUNT - 1} |{2 * COUNT} .* {2 * COUNT - 1}$', problem)


def test_a_chunk_that_is_shorter_than_it_says_is_told(tmp_path):
    """Without a checksum and an index: a length that swallows the rest of its chunk."""
    file = mcap(tmp_path / 'x.mcap', enable_crcs=False, chunk_size=10**6)
    killed(file)
    data = bytearray(file.read_bytes())
    _, _, log_ns, _ = images(COUNT)[9]
    at = data.index(struct.pack('<QQ', log_ns, log_ns)) - 15
    assert data[at] == 0x05
    data[at] = 0xFF
    size = struct.unpack_from('<Q', data, at + 1)[0]
    struct.pack_into('<Q', data, at + 1, size + 10**5)
    file.write_bytes(data)
    source = open_source(file, CAMERA)
    assert read(source) == list(range(9))
    assert 'a chunk has fewer messages than it announces' in source.problems[0]


def test_a_topic_that_was_added_last_and_stayed_silent_is_no_damage(tmp_path):
    """The writer of rosbags then ends with a chunk that has a topic and no times."""
    file = storage_file(write_bag(tmp_path / 'b', images(COUNT), silent='/late'))
    source = open_source(file, CAMERA)
    assert read(source) == list(range(COUNT))
    assert source.problems == []


@pytest.mark.parametrize('cells', [1, 3])
def test_a_sqlite_file_is_read_up_to_a_hole_in_its_tree(tmp_path, cells):
    """An interior page whose cells lead nowhere: thirty rows and more are gone with each."""
    count = 600
    file = storage_file(write_bag(tmp_path / 'b', images(count), 'sqlite3'))
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'messages'"
        (page,) = database.execute(query).fetchone()
        (page_bytes,) = database.execute('PRAGMA page_size').fetchone()
    data = bytearray(file.read_bytes())
    root = (page - 1) * page_bytes
    assert data[root] == 5  # an interior page of a table
    for cell in range(2, 2 + cells):
        (at,) = struct.unpack_from('>H', data, root + 12 + 2 * cell)
        data[root + at : root + at + 5] = bytes(5)  # child page, and a byte of its largest row
    file.write_bytes(data)
    source = open_source(file, CAMERA)
    numbers = read(source)
    assert numbers == list(range(len(numbers))) and 5 < len(numbers) < 200
    assert any(f'sqlite3 {file.name} .recover' in problem for problem in source.problems)


def source_stamp(number: int) -> str:
    second, nano = divmod(stamp_of(number), 10**9)
    return f'{second}.{nano:09}'


def test_a_file_that_lost_all_its_images_says_so(tmp_path):
    file = cut(mcap(tmp_path / 'x.mcap'), 0.02)
    with pytest.raises(
        RecordingError, match=rf'no images to replay: .* \({file}: the file ends in the'
    ):
        open_source(file, None)


def test_a_damaged_chunk_costs_its_own_images_only(tmp_path):
    file = mcap(tmp_path / 'x.mcap')
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(data)
    source = open_source(file, None)
    numbers = read(source)
    lost = sorted(set(range(COUNT)) - set(numbers))
    assert 1 <= len(lost) <= 4
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert numbers[-1] == COUNT - 1
    (problem,) = source.problems
    assert problem.startswith(f'{file}: the record at byte ')
    assert 'crc validation failed' in problem
    assert f'after {lost[0]} images on {CAMERA}, the last of stamp {source_stamp(lost[0] - 1)}: its'


@pytest.mark.parametrize('end', [0x02, 0x0F])
def test_a_byte_like_that_of_the_end_is_no_end(tmp_path, end):
    """One byte too many shifts all that follows, and a pixel comes to where a record begins."""
    file = mcap(tmp_path / 'x.mcap', use_chunking=False)
    data = file.read_bytes()
    behind = data.index(pixels(9).tobytes()) + pixels(9).nbytes
    file.write_bytes(data[:behind] + bytes([end]) + data[behind:])
    source = BagSource(file, CAMERA)
    assert read(source) == list(range(10))
    assert 'middle of a record' in source.problems[0]


def test_a_thousand_damaged_places_are_not_a_thousand_lines(tmp_path):
    file = mcap(tmp_path / 'x.mcap', chunk_size=1)
    data = bytearray(file.read_bytes())
    for i in range(COUNT):
        at = data.find(pixels(i).tobytes())
        data[at + 50] ^= 0xFF
    file.write_bytes(data)
    source = open_source(file, None)
    assert read(source) == []
    assert len(source.problems) == 6
    assert source.problems[0].endswith(' bytes are lost')
    assert f'before the first image on {CAMERA}' in source.problems[0]
    assert source.problems[5] == f'{file}: {COUNT - 5} more damaged place(s)'


def test_zeros_after_a_power_cut_are_an_end_and_not_a_million_records(tmp_path):
    file = killed(mcap(tmp_path / 'x.mcap'))
    written = file.stat().st_size
    with file.open('ab') as tail:
        tail.write(bytes(50_000_000))
    source = open_source(file, None)
    assert read(source) == list(range(COUNT))
    assert (
        f'the file has no record at byte {written} of {written + 50_000_000}' in source.problems[0]
    )


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_without_metadata_the_files_are_read_in_the_order_of_their_numbers(tmp_path, storage):
    parts = [images(2, start=2 * i) for i in range(11)]
    bag = write_split(tmp_path / 'run', parts, storage)
    (bag / 'metadata.yaml').unlink()
    (bag / 'notes.txt').write_text('not of the bag')
    source = open_source(bag, None)
    assert read(source) == list(range(22))
    (problem,) = source.problems
    assert problem.startswith(f'{bag / "metadata.yaml"} is missing: read run_0.')
    assert problem.index('run_2.') < problem.index('run_10.')
    assert 'notes' not in problem


@pytest.mark.parametrize('text', ['', '{', 'a: 1', 'rosbag2_bagfile_information: [1]', '\xff'])
def test_metadata_that_make_no_sense_are_done_without(tmp_path, text):
    bag = write_bag(tmp_path / 'run', images(3))
    (bag / 'metadata.yaml').write_text(text, encoding='latin-1')
    source = open_source(bag, None)
    assert read(source) == [0, 1, 2]
    assert source.problems[0].startswith(f'{bag / "metadata.yaml"} cannot be used (')


def test_a_missing_part_is_named_and_the_others_are_read(tmp_path):
    bag = write_split(tmp_path / 'run', [images(3), images(3, start=3), images(3, start=6)])
    (bag / 'run_1.mcap').unlink()
    source = open_source(bag, None)
    assert source.frames == 6
    assert read(source) == [0, 1, 2, 6, 7, 8]
    assert source.problems == [
        f'{bag / "run_1.mcap"} is missing, though metadata.yaml lists it: its messages are skipped'
    ]


@pytest.mark.parametrize('content', [b'', b'\x89MCAP', b'no bag at all' * 100])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_an_unreadable_part_is_named_and_the_others_are_read(tmp_path, content, storage):
    bag = write_split(tmp_path / 'run', [images(3), images(3, start=3)], storage)
    file = next(bag.glob('run_0.*'))
    file.write_bytes(content)
    source = open_source(bag, None)
    assert read(source) == [3, 4, 5]
    (problem,) = source.problems
    assert str(file) in problem
    assert problem.endswith('skipped')


def test_a_bag_of_which_no_part_can_be_read_names_them_all(tmp_path):
    bag = write_split(tmp_path / 'run', [images(3), images(3, start=3)])
    for name in ('run_0.mcap', 'run_1.mcap'):
        (bag / name).write_bytes(b'nothing')
    with pytest.raises(
        RecordingError, match=r'run_0\.mcap is not an mcap.*run_1\.mcap is not an mcap'
    ):
        open_source(bag, None)


def test_a_bag_whose_only_file_is_gone(tmp_path):
    bag = write_bag(tmp_path / 'run', images(3))
    storage_file(bag).unlink()
    with pytest.raises(RecordingError, match=r'run\.mcap is missing, though metadata'):
        open_source(bag, None)


def test_a_folder_with_senseless_metadata_only(tmp_path):
    (tmp_path / 'metadata.yaml').write_text('hello')
    with pytest.raises(
        RecordingError, match=r'metadata\.yaml cannot be used .* no \.mcap or \.db3'
    ):
        open_source(tmp_path, None)


def test_a_truncated_packed_file_is_read_as_far_as_it_goes(tmp_path):
    # Noise, so that the packed file is long enough to lose a part of.
    rng = np.random.default_rng(0)
    entries = images(800)
    for *_, message in entries:
        message.data = rng.integers(0, 256, message.data.size, np.uint8)
    bag = write_bag(tmp_path / 'b', entries, 'sqlite3', CompressionMode.FILE)
    file = cut(storage_file(bag), 0.6)
    source = open_source(bag, None)
    frames = list(source)
    assert 0 < len(frames) == source.frames < 800
    assert source.problems[0].startswith(f'{file}: the file ')


def test_damage_of_the_packing_is_told_even_where_all_can_be_read(tmp_path):
    bag = write_bag(tmp_path / 'b', images(3), 'sqlite3', CompressionMode.FILE)
    file = storage_file(bag)
    with file.open('ab') as tail:
        tail.write(b'something else')
    source = open_source(bag, None)
    assert read(source) == [0, 1, 2]
    assert source.problems[0].startswith(f'{file}: the compressed file is damaged (zstd ')


def test_a_packed_file_does_not_fill_the_disk(tmp_path, monkeypatch):
    bag = write_bag(tmp_path / 'b', images(3), 'sqlite3', CompressionMode.FILE)
    full = SimpleNamespace(free=bag_files._LEFT_FREE + 10_000)
    monkeypatch.setattr(bag_files.shutil, 'disk_usage', lambda path: full)
    with pytest.raises(RecordingError, match=r'cannot be copied into .* \(No space left.*TMPDIR'):
        open_source(bag, None)


def test_a_file_that_is_packed_and_plain_counts_once(tmp_path):
    """As a recorder leaves it that was killed while packing."""
    bag = write_bag(tmp_path / 'b', images(3), 'sqlite3')
    packed = write_bag(tmp_path / 'c', images(3), 'sqlite3', CompressionMode.FILE)
    shutil.copy(storage_file(packed), bag / f'{storage_file(bag).name}.zstd')
    (bag / 'metadata.yaml').unlink()
    assert read(open_source(bag, None)) == [0, 1, 2]


def test_what_sqlite_had_not_merged_is_named(tmp_path):
    bag = write_bag(tmp_path / 'b', images(3), 'sqlite3')
    left, merged = tmp_path / 'left', tmp_path / 'merged'
    with closing(sqlite3.connect(storage_file(bag))) as database:
        database.execute('PRAGMA journal_mode = WAL')
        database.execute(
            'INSERT INTO messages SELECT id + 90, topic_id, timestamp, data FROM messages'
        )
        database.commit()
        shutil.copytree(bag, left)  # what a killed process leaves behind
        database.execute('PRAGMA wal_checkpoint')
        shutil.copytree(bag, merged)
    assert (merged / 'b.db3-wal').stat().st_size
    source = open_source(merged, None)
    assert len(list(source)) == 6 and not source.problems
    source = open_source(left, None)
    assert read(source) == [0, 1, 2]
    (problem,) = source.problems
    assert problem.startswith(f'{left / "b.db3-wal"} holds messages that are not in b.db3 yet: ')


def test_a_damaged_ros1_bag_says_how_to_repair_it(tmp_path):
    file = cut(write_ros1(tmp_path / 'old.bag', images(3, types=ROS1_TYPES)), 0.8)
    with pytest.raises(RecordingError, match=rf'repair it with: rosbag reindex {file}'):
        open_source(file, None)


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    file = mcap(tmp_path / 'x.mcap')

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('pathlib.Path.open', refuse)
    with pytest.raises(RecordingError, match=rf'{file} cannot be read: Permission denied'):
        BagSource(file, None)


def test_a_file_that_is_gone_while_it_is_read_is_told(tmp_path):
    file = mcap(tmp_path / 'x.mcap', use_chunking=False)
    source = open_source(file, CAMERA)
    file.unlink()
    assert source.stamped_labels(TRUTH) == {} and list(source) == []
    assert ['cannot be read' in problem for problem in source.problems] == [True]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Bags of each kind, and the bytes of their files."""
    folder = tmp_path_factory.mktemp('whole')
    entries = images(COUNT) + truths('x' * COUNT)
    files = {
        'mcap of rosbags': storage_file(write_bag(folder / 'a', entries)),
        'mcap in chunks': mcap(folder / 'b.mcap'),
        'mcap without chunks': mcap(folder / 'c.mcap', use_chunking=False),
        'mcap with lz4': mcap(folder / 'd.mcap', compression=CompressionType.LZ4),
        'mcap with zstd': mcap(folder / 'e.mcap', compression=CompressionType.ZSTD),
        'sqlite3': storage_file(write_bag(folder / 'f', entries, 'sqlite3')),
        'packed': storage_file(write_bag(folder / 'g', entries, 'mcap', CompressionMode.FILE)),
        'ros1': write_ros1(folder / 'h.bag', images(COUNT, types=ROS1_TYPES)),
    }
    return {kind: (file.suffixes, file.read_bytes()) for kind, file in files.items()}


KINDS = [
    'mcap of rosbags',
    'mcap in chunks',
    'mcap without chunks',
    'mcap with lz4',
    'mcap with zstd',
    'sqlite3',
    'packed',
    'ros1',
]


@pytest.mark.parametrize('kind', KINDS)
def test_cut_anywhere_a_bag_is_read_in_part_or_refused(tmp_path, whole, kind):
    suffixes, data = whole[kind]
    file = tmp_path / f'x{"".join(suffixes)}'
    rng = random.Random(kind)
    most = 0
    for length in [0, 1, 8, 9, len(data) - 1, *(rng.randrange(len(data)) for _ in range(25))]:
        file.write_bytes(data[:length])
        try:
            source = open_source(file, CAMERA)
        except RecordingError as err:
            assert str(file) in str(err)
            continue
        count = len(list(source))
        assert count == source.frames
        assert count == COUNT or source.problems
        most = max(most, count)
    # ROS 1 bags have their index in the end, and so few packed bytes are one block.
    assert most > COUNT / 2 or kind in ('ros1', 'packed')


@pytest.mark.parametrize('kind', KINDS)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_overwritten_anywhere_a_bag_is_read_in_part_or_refused(tmp_path, whole, kind, data):
    suffixes, content = whole[kind]
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=30))
        damaged[at : at + len(piece)] = piece
    file = tmp_path / f'x{"".join(suffixes)}'
    file.write_bytes(damaged)
    try:
        source = open_source(file, CAMERA)
    except RecordingError:
        return
    for frame in source:
        assert frame.received_ns >= 0


def test_topics_that_lost_name_or_type_are_listed_all_the_same(tmp_path):
    file = storage_file(write_bag(tmp_path / 'b', [*images(3), *truths('abc')], 'sqlite3'))
    with closing(sqlite3.connect(file)) as database:
        schema = "sql = replace(sql, 'name TEXT NOT NULL', 'name TEXT')"
        database.executescript(f'PRAGMA writable_schema = ON; UPDATE sqlite_master SET {schema}')
    with closing(sqlite3.connect(file)) as database:
        database.execute('UPDATE topics SET name = NULL WHERE name <> ?', [CAMERA])
        database.execute("UPDATE topics SET type = 'x' WHERE name = ?", [CAMERA])
        database.commit()
    with pytest.raises(RecordingError, match='it holds no images, only'):
        open_source(file, None)
