"""One node's parameter file read by a second node."""

from __future__ import annotations

from pathlib import Path

import pytest

from eevit_ros.launching.params_file import params_file_for


@pytest.mark.parametrize(
    'key', ['governor', '/governor', '/robot1/governor', '/**/governor', '"governor"', 'governor ']
)
def test_a_section_of_the_first_becomes_one_of_the_second(tmp_path: Path, key: str) -> None:
    file = tmp_path / 'governor.yaml'
    forms = (
        '{key}: {body}',
        '/**:\n  {key}: {body}',
        '{{{key}: {body}}}',
        '# standby:\n{key}: {body}',
    )
    for form in forms:
        file.write_text(form.format(key=key, body='{ros__parameters: {floor: 3e-1}}'))
        found = Path(params_file_for(str(file), 'governor', 'standby')).read_text()
        assert found == file.read_text().replace('governor', 'standby')


@pytest.mark.parametrize(
    'text',
    [
        '/**: {ros__parameters: {controllers: [governor]}}',
        'other_governor: {ros__parameters: {floor: 0.3}}',
        'governor: {ros__parameters: {floor: 0.3}}\nstandby: {ros__parameters: {floor: 0.2}}',
    ],
)
def test_a_file_that_says_no_such_thing_is_taken_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / 'governor.yaml'
    file.write_text(text)
    assert params_file_for(str(file), 'governor', 'standby') == str(file)
