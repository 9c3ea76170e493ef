from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.recordings.stamps import parse_stamp, stamp_text
from eevit_ros.recordings.truth import open_truth
from harness.bags import STEP_NS, TRUTH, images, picture_file, stamp_of, truths, write_bag

COUNT = 6


@pytest.fixture
def source(tmp_path):
    """A bag of six images, the first at 1700000000.123456789, 66.666667 ms apart."""
    return open_source(write_bag(tmp_path / 'bag', images(COUNT) + truths('abcdef')), None)


@pytest.fixture
def labels_by(tmp_path, source):
    """Return the labels that a CSV text gives to the six images, and the problems."""

    def read(text: str) -> tuple[list[str], list[str]]:
        path = tmp_path / 'truth.csv'
        path.write_text(text, encoding='utf-8')
        truth = open_truth(str(path), source)
        assert truth.text == str(path)
        return [truth.label(frame) for frame in source], truth.problems()

    return read


def seconds(index: int, plus_ns: int = 0) -> str:
    return stamp_text(stamp_of(index) + plus_ns)


def test_a_label_by_stamp_matches_to_the_nanosecond(labels_by):
    labels, problems = labels_by(
        f'stamp,label\n{seconds(1)},cat\n{seconds(2, 1)},dog\n{seconds(3)},maple tree\n'
    )
    assert labels == ['', 'cat', '', 'maple tree', '', '']
    (problem,) = problems
    assert '1 of 3 labels of' in problem
    assert problem.endswith(
        f"truth.csv match no frame, the first, line 3: 'dog' for stamp {seconds(2, 1)}; the frames "
        f'run from stamp {seconds(0)} to {seconds(5)}'
    )


def test_a_stamp_may_be_in_nanoseconds(labels_by):
    labels, problems = labels_by(f'label,stamp\ncat,{stamp_of(4)}\n')
    assert labels == ['', '', '', '', 'cat', '']
    assert problems == []


def test_a_place_may_stand_beside_a_label(tmp_path, source):
    path = tmp_path / 'truth.csv'
    path.write_text('first,last,label,place\n1,2,cat,hall\n3,3,cat,\n4,4,cat,yard\n')
    truth = open_truth(str(path), source)
    assert [truth.place(frame) for frame in source] == ['', 'hall', 'hall', '', 'yard', '']


def test_a_label_by_index(labels_by):
    labels, problems = labels_by('frame,label\n0,cat\n5,dog\n6,cow\n')
    assert labels == ['cat', '', '', '', '', 'dog']
    assert "the first, line 4: 'cow' for frame 6; the frames run from frame 0 to 5" in problems[0]


def test_an_interval_of_stamps_includes_both_ends(labels_by):
    labels, problems = labels_by(
        f'start,end,label\n{seconds(3)},{seconds(4)},dog\n{seconds(0, 1)},{seconds(1)},cat\n'
    )
    assert labels == ['', 'cat', '', 'dog', 'dog', '']
    assert problems == []


def test_an_interval_of_indices_includes_both_ends(labels_by):
    labels, problems = labels_by('first,last,label\n2,3,dog\n0,0,cat\n7,9,cow\n')
    assert labels == ['cat', '', 'dog', 'dog', '', '']
    assert '1 of 3 labels of' in problems[0]
    assert "line 4: 'cow' for frame 7 to 9" in problems[0]


def test_labels_that_say_the_same_twice_are_one(labels_by):
    labels, problems = labels_by('first,last,label\n1,4,dog\n2,2,dog\n4,5,dog\n1,4,dog\n')
    assert labels == ['', 'dog', 'dog', 'dog', 'dog', 'dog']
    assert problems == []


def test_truth_of_another_recording_is_told_by_its_stamps(labels_by):
    labels, problems = labels_by('stamp,label\n12.5,cat\n13,dog\n')
    assert labels == [''] * COUNT
    assert '2 of 2 labels of' in problems[0]
    assert (
        "line 2: 'cat' for stamp 12.500000000; the frames run from stamp 1700000000.1"
        in problems[0]
    )


def test_a_spreadsheet_may_have_written_it(labels_by):
    labels, _ = labels_by('\ufeff frame , label ,comment\r\n0, "cat, black",x\r\n\r\n1,dog,\r\n')
    assert labels[:2] == ['cat, black', 'dog']


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', r'needs these columns, each once: label, and stamp or frame .* Got '),
        ('frame;label\n0;cat\n', "Got 'frame;label'"),
        ('frame\n0\n', "Got 'frame'"),
        ('label\ncat\n', "Got 'label'"),
        ('start,label\n0,cat\n', "Got 'start, label'"),
        ('frame,stamp,label\n0,1,cat\n', "Got 'frame, stamp, label'"),
        ('frame,label,label\n0,cat,dog\n', "Got 'frame, label, label'"),
        ('frame,label\n', 'holds no label'),
        ('frame,label\n0,cat\n1,\n', 'line 3: the label is empty'),
        ('frame,label\n0\n', 'line 2: the label is empty'),
        ('frame,label\n0,cat, black\n', 'line 2: more values than columns'),
        ('frame,label\n0,cat\nx,dog\n', "line 3: 'x' is not an index of a frame"),
        ('frame,label\n-1,dog\n', "line 2: '-1' is not an index"),
        ('frame,label\n1.5,dog\n', "line 2: '1.5' is not an index"),
        ('stamp,label\nnoon,dog\n', "line 2: 'noon' is not a number"),
        ('stamp,label\n,dog\n', "line 2: '' is not a number"),
        ('stamp,label\nNaN,dog\n', "line 2: 'NaN' is not a stamp in seconds or nanoseconds"),
        ('stamp,label\n-3,dog\n', "line 2: '-3' is not a stamp"),
        ('stamp,label\n1e400,dog\n', "line 2: '1e400' is not a stamp"),
        ('start,end,label\n2,1,dog\n', 'line 2: start 2 comes after end 1'),
        (
            'frame,label\n3,cat\n3,dog\n',
            "line 3: 'dog' for frame 3 contradicts 'cat' for frame 3, line 2: correct one",
        ),
        (
            'first,last,label\n0,9,cat\n20,30,cat\n5,6,dog\n',
            "line 4: 'dog' for frame 5 to 6 contradicts 'cat' for frame 0 to 9, line 2",
        ),
        (
            'start,end,label\n1,2,cat\n2,3,dog\n',
            r"'dog' for stamp 2\.0+ to 3\.0+ contradicts 'cat' for stamp 1\.0+ to 2\.0+, line 2",
        ),
        ('frame,label\n0,"cat\n', 'is not a CSV file'),
    ],
)
def test_bad_truth_names_file_line_and_value(labels_by, text, reason):
    with pytest.raises(RecordingError, match=rf'truth\.csv.*{reason}'):
        labels_by(text)


def test_a_file_in_another_code_page_is_refused(tmp_path, source):
    path = tmp_path / 'truth.csv'
    path.write_bytes(b'frame,label\n0,k\xe4se\n')
    with pytest.raises(RecordingError, match=r'truth\.csv is not a CSV file in UTF-8'):
        open_truth(str(path), source)


@pytest.mark.parametrize('spec', ['nowhere.csv', '/nowhere/truth.csv', 'labels'])
def test_a_missing_file_is_named(source, spec):
    with pytest.raises(RecordingError, match=f'truth {spec} cannot be read: No such file'):
        open_truth(spec, source)


def test_a_topic_of_the_bag(source):
    truth = open_truth(TRUTH, source)
    assert [truth.label(frame) for frame in source] == list('abcdef')
    assert truth.problems() == []
    assert truth.text == f'topic {TRUTH} of bag'


def test_a_topic_needs_no_slash_in_front(source):
    frames = list(source)
    labels = [open_truth(TRUTH.strip('/'), source).label(frame) for frame in frames]
    assert labels == [open_truth(TRUTH, source).label(frame) for frame in frames] and any(labels)


def test_a_topic_whose_stamps_match_no_image_is_a_problem(tmp_path):
    bag = write_bag(tmp_path / 'b', images(2) + truths('abc'))
    source = open_source(bag, None)
    truth = open_truth(TRUTH, source)
    assert [truth.label(frame) for frame in source] == ['a', 'b']
    (problem,) = truth.problems()
    assert problem.startswith(f"1 of 3 labels of topic {TRUTH} of b match no frame, the first: 'c'")


def test_a_topic_without_labels_is_refused(tmp_path):
    source = open_source(write_bag(tmp_path / 'b', images(2) + truths([''])), None)
    with pytest.raises(RecordingError, match=f'topic {TRUTH} of b holds no label'):
        open_truth(TRUTH, source)


def test_a_topic_that_is_not_there_is_refused(source):
    with pytest.raises(RecordingError, match='no topic /labels of vision_msgs'):
        open_truth('/labels', source)


def test_the_names_of_folders(tmp_path):
    for name in ('cat', 'dog'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '1.png').write_bytes(picture_file(0))
    source = open_source(tmp_path, None)
    truth = open_truth(None, source)
    assert [truth.label(frame) for frame in source] == ['cat', 'dog']
    assert truth.text == 'names of the folders'


def test_no_truth(source):
    truth = open_truth(None, source)
    assert {truth.label(frame) for frame in source} == {''}
    assert (truth.text, truth.problems()) == ('', [])


@settings(deadline=None)
@given(st.integers(0, 2**62))
def test_a_stamp_survives_being_written_and_read(stamp_ns):
    assert parse_stamp(stamp_text(stamp_ns)) == stamp_ns


def test_digits_beyond_the_nanosecond_are_rounded():
    assert parse_stamp('1.0666666666666667') == 1_066_666_667


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from('abc')),
        min_size=1,
        max_size=6,
    )
)
def test_intervals_label_what_they_hold(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp('truth') / 'truth.csv'
    lines = [f'{first},{first + length},{label}' for first, length, label in rows]
    path.write_text('\n'.join(['first,last,label', *lines]))
    said = [
        {label for first, length, label in rows if first <= i <= first + length} for i in range(40)
    ]
    if any(len(labels) > 1 for labels in said):
        with pytest.raises(RecordingError, match='contradicts'):
            open_truth(str(path), None)
        return
    truth = open_truth(str(path), None)
    for i, labels in enumerate(said):
        frame = SourceFrame(i, STEP_NS, STEP_NS, b'', '', lambda: None)
        assert truth.label(frame) == ''.join(labels)
    assert truth.problems() == []
