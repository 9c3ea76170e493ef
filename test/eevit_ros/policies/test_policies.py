"""Exit policies, for one image and for many, against their papers' rules in plain loops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.policies import NAMES, Anytime, Consensus, Patience, Policy, build_policy
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken

Probabilities = npt.NDArray[np.float32]


def draw(seed: int, exits: int, images: int, classes: int) -> Probabilities:
    """Probabilities (E + 1, N, C), from doubtful to certain, some with ties and zeros."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (exits + 1, images, classes)) * rng.choice(
        [0, 1, 5, 500], (images, 1)
    )
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


cases = given(
    seed=st.integers(0, 10_000),
    exits=st.integers(1, 5),
    images=st.integers(1, 20),
    classes=st.integers(2, 12),
)


@pytest.mark.parametrize('name', NAMES)
@settings(deadline=None, max_examples=30)
@cases
def test_every_measure_keeps_the_contract(
    name: str, seed: int, exits: int, images: int, classes: int
) -> None:
    """0 always leaves and 1 never does, ties and certain answers included."""
    probabilities = draw(seed, exits, images, classes)
    measure = measure_exits(build_policy(name, (0.5,) * (exits + 1)), probabilities).measure
    assert measure.dtype == np.float32 and measure.shape == (exits + 1, images)
    assert (exits_taken(measure, np.zeros(exits, np.float32)) == 0).all()
    assert (exits_taken(measure, np.ones(exits, np.float32)) == exits).all()


@pytest.mark.parametrize('name', NAMES)
@settings(deadline=None, max_examples=20)
@cases
def test_one_image_at_a_time_leaves_where_it_leaves_among_many(
    name: str, seed: int, exits: int, images: int, classes: int
) -> None:
    probabilities = draw(seed, exits, images, classes)
    policy = build_policy(name, tuple(np.linspace(0.4, 0.8, exits + 1).tolist()))
    thresholds = np.random.default_rng(seed).random(exits).astype(np.float32)
    measures = measure_exits(policy, probabilities)
    taken = exits_taken(measures.measure, thresholds)
    for n in range(images):
        left_at, answer = run_on_robot(policy, probabilities[:, n], thresholds)
        assert left_at == taken[n]
        assert answer.argmax() == measures.answer[left_at, n]


def run_on_robot(
    policy: Policy, exits: Probabilities, thresholds: npt.NDArray[np.float32]
) -> tuple[int, Probabilities]:
    """What a host does that runs the network from exit to exit."""
    policy.start()
    for exit_index, threshold in enumerate(thresholds):
        leaves, answer = policy.decide(exits[exit_index][None], float(threshold))
        if leaves[0]:
            return exit_index, answer[0]
    return len(thresholds), policy.read(exits[-1][None]).probabilities[0]


def test_entropy_and_margin_of_known_distributions() -> None:
    known = np.array([[[0.7, 0.2, 0.1]], [[1 / 3, 1 / 3, 1 / 3]], [[1, 0, 0]]], np.float32)
    entropy = measure_exits(build_policy('entropy', (1, 1, 1)), known).measure[:, 0]
    margin = measure_exits(build_policy('margin', (1, 1, 1)), known).measure[:, 0]
    loss = -(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)) / np.log(3)
    np.testing.assert_allclose(entropy, [1 - loss, 0, 1], atol=2e-6)
    np.testing.assert_allclose(margin, [0.5, 0, 1], atol=2e-6)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), exits=st.integers(1, 6), same=st.integers(1, 7))
def test_patience_leaves_at_so_many_same_answers_in_a_row(seed: int, exits: int, same: int) -> None:
    same = min(same, exits)
    probabilities = draw(seed, exits, 10, 2)
    policy = Patience(exits)
    measure = measure_exits(policy, probabilities).measure
    thresholds = np.full(exits, policy.threshold(same), np.float32)
    answers = probabilities.argmax(axis=-1)
    for n, taken in enumerate(exits_taken(measure, thresholds)):
        agreed = [
            e
            for e in range(same - 1, exits)
            if len(set(answers[e - same + 1 : e + 1, n].tolist())) == 1
        ]
        assert taken == (agreed[0] if agreed else exits)
    assert policy.threshold(same) in policy.candidates


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), exits=st.integers(1, 6))
def test_consensus_adds_weighted_confidences_while_answers_agree(seed: int, exits: int) -> None:
    probabilities = draw(seed, exits, 10, 3)
    weights = np.random.default_rng(seed).uniform(0.1, 1, exits + 1)
    measure = measure_exits(Consensus(weights.tolist()), probabilities).measure
    for n in range(10):
        score, before = 0.0, None
        for e in range(exits):
            answer, confidence = probabilities[e, n].argmax(), probabilities[e, n].max()
            score = (score if answer == before else 0.0) + weights[e] * confidence
            before = answer
            assert measure[e, n] == pytest.approx(score / weights[:-1].sum(), abs=1e-5)


def test_anytime_leaves_at_the_last_exit_in_time_with_the_best_answer_so_far() -> None:
    exits = np.array([[[0.6, 0.4]], [[0.2, 0.8]], [[0.55, 0.45]], [[0.3, 0.7]]], np.float32)
    spent, accuracy = [2.0, 4.0, 6.0, 8.0], [0.5, 0.7, 0.6, 0.9]  # the third is worse than before
    for budget, left_at, confidence in ((2.0, 0, 0.6), (5.9, 1, 0.8), (6.0, 2, 0.8), (9, 3, 0.7)):
        measures = measure_exits(Anytime(spent, budget, accuracy), exits)
        taken = exits_taken(measures.measure, np.ones(3, np.float32))
        assert taken.tolist() == [left_at]
        assert measures.confidence[left_at, 0] == pytest.approx(confidence)
    measures = measure_exits(Anytime(spent, 9.0, accuracy), exits)
    assert exits_taken(measures.measure, np.full(3, 0.7, np.float32)).tolist() == [1]  # sure enough


def test_anytime_on_the_robot_believes_the_clock() -> None:
    now_s = [0.0]
    policy = Anytime([2.0, 4.0, 6.0], 7.0, [0.5, 0.6, 0.7], clock=lambda: now_s[0])
    exit_probabilities = np.array([[0.6, 0.4]], np.float32)
    policy.start()
    now_s[0] = 0.0045  # the first exit came late: 4.5 ms; the second would come after 6.5
    assert not policy.decide(exit_probabilities, 1.0)[0][0]
    now_s[0] = 0.0066  # the third would come after 8.6
    assert policy.decide(exit_probabilities, 1.0)[0][0]
    policy.start()
    assert not policy.decide(exit_probabilities, 1.0)[0][0]  # a new image, a new budget


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: build_policy('mood', (1.0, 1.0)), "policy must be one of .*Got 'mood'"),
        (lambda: Consensus([1.0, 0.0]), 'needs a positive weight'),
        (lambda: Anytime([2.0, 1.0], 3.0, [1, 1]), 'must be two or more rising times'),
        (lambda: Anytime([2.0, 3.0], 1.0, [1, 1]), 'a budget of 1 ms is too short: .* after 2 ms'),
        (lambda: Anytime([2.0, 3.0], float('nan'), [1, 1]), 'a budget of nan ms is too short'),
        (lambda: Anytime([2.0, 3.0], 4.0, [1]), r'a value for each of 2 exits. Got \[1\]'),
    ],
)
def test_what_makes_no_policy_is_named(make: object, message: str) -> None:
    with pytest.raises(EevitError, match=message):
        make()  # type: ignore[operator]
