"""Requirements on the figures of a replay, for CI: an exit code and a JUnit file."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from eevit_ros.replay.errors import ReplayError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    '>=': operator.ge,
    '<=': operator.le,
    '>': operator.gt,
    '<': operator.lt,
    '==': operator.eq,
}
_NOT_XML = re.compile(r'[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


@dataclass(frozen=True)
class Requirement:
    """One requirement: 'accuracy>=0.8'."""

    metric: str
    comparison: str
    limit: float

    def __str__(self) -> str:
        """Return it as it is given."""
        return f'{self.metric}{self.comparison}{self.limit:.15g}'


@dataclass(frozen=True)
class RequirementResult:
    """A requirement and the measured value, None where nothing was measured."""

    requirement: Requirement
    value: float | None

    @property
    def met(self) -> bool:
        """Whether it holds; an unknown value meets nothing."""
        compare = _OPERATORS[self.requirement.comparison]
        return self.value is not None and compare(self.value, self.requirement.limit)

    def __str__(self) -> str:
        """Return it for people."""
        value = 'unknown' if self.value is None else f'{self.value:.10g}'
        return f'{"met" if self.met else "NOT MET"}  {self.requirement}: {value}'


def parse_requirement(text: str) -> Requirement:
    """Read 'METRIC>=NUMBER' (or <=, >, <, ==).

    Raises:
        ReplayError: `text` is not a requirement.
    """
    match = re.fullmatch(r'\s*(\w+)\s*(>=|<=|==|>|<)\s*(\S+)\s*', text)
    try:
        if match and not math.isnan(float(match[3])):
            return Requirement(match[1], match[2], float(match[3]))
    except ValueError:
        pass
    raise ReplayError(
        f'--require takes METRIC>=NUMBER (or <=, >, <, ==), such as accuracy>=0.8. Got {text!r}'
    )


def check_requirements(
    requirements: Sequence[Requirement], metrics: Mapping[str, float | None]
) -> list[RequirementResult]:
    """Check the metrics of a replay.

    Raises:
        ReplayError: A requirement names an unknown metric.
    """
    check_names(requirements, metrics)
    return [RequirementResult(one, metrics[one.metric]) for one in requirements]


def check_names(requirements: Sequence[Requirement], metrics: Collection[str]) -> None:
    """Refuse unknown metrics, before hours of work.

    Raises:
        ReplayError: A requirement names an unknown metric.
    """
    for one in requirements:
        if one.metric not in metrics:
            raise ReplayError(
                f'--require {one}: there is no metric {one.metric!r}. One of: '
                f'{", ".join(sorted(metrics))}'
            )


def write_junit(path: Path, results: Sequence[RequirementResult], problems: Sequence[str]) -> None:
    """Write a test case a requirement, and one that says whether all input could be evaluated."""
    suite = ElementTree.Element('testsuite', name='eevit_ros replay')
    for result in results:
        failure = '' if result.met else str(result)
        _case(suite, str(result.requirement), failure)
    _case(suite, 'all input was evaluated', '\n'.join(problems))
    failed = [case for case in suite if case.find('failure') is not None]
    suite.set('tests', str(len(suite)))
    suite.set('failures', str(len(failed)))
    suite.set('errors', '0')
    tree = ElementTree.ElementTree(suite)
    ElementTree.indent(tree)
    tree.write(path, encoding='utf-8', xml_declaration=True)


def _case(suite: ElementTree.Element, name: str, failure: str) -> None:
    failure = _NOT_XML.sub('\N{REPLACEMENT CHARACTER}', failure)  # what a broken bag says
    case = ElementTree.SubElement(suite, 'testcase', classname='replay', name=name)
    if failure:
        element = ElementTree.SubElement(case, 'failure', message=failure.splitlines()[0])
        element.text = failure
