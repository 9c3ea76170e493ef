"""Which exit policy decides on the robot: the model file's own, or one that the host computes."""

from __future__ import annotations

from eevit_ros.errors import EevitError
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.runners import SINGLE, Runner, StagedRunner
from eevit_ros.policies import NAMES, Anytime, Policy, build_policy

OWN, ANYTIME = 'own', 'anytime'
EXIT_POLICIES = (OWN, *NAMES, ANYTIME)


def check_choice(exit_policy: str, budget_ms: float, execution: str) -> None:
    """Check what can be checked before there is a model.

    Raises:
        EevitError: The policy is unknown or cannot run in this form, or the budget does not fit it.
    """
    if exit_policy not in EXIT_POLICIES:
        raise EevitError(f'exit_policy must be one of {EXIT_POLICIES}. Got {exit_policy!r}')
    if exit_policy != OWN and execution == SINGLE:
        raise EevitError(
            f"exit_policy {exit_policy!r} needs a host that decides: set execution to 'staged' or "
            f"'auto'. Got {execution!r}"
        )
    if (exit_policy == ANYTIME) != (budget_ms > 0):  # so written that NaN is no budget
        raise EevitError(
            'budget_ms is the time that exit_policy anytime has for a frame: above 0 with it, 0 '
            f'without. Got {budget_ms} with {exit_policy!r}'
        )


def policy_of(runner: Runner, exit_policy: str, budget_ms: float) -> Policy | None:
    """Build the policy; None stands for the file's own.

    Raises:
        EevitError: The budget is shorter than the first exit takes.
    """
    if not isinstance(runner, StagedRunner) or exit_policy == OWN:
        return None
    if exit_policy == ANYTIME:
        accuracy = runner.metadata.accuracy
        return Anytime.on_the_robot(runner.spent_ms(), budget_ms, accuracy)
    return build_policy(exit_policy, runner.metadata.accuracy)


def file_thresholds(metadata: ModelMetadata, exit_policy: str) -> tuple[float, ...]:
    """Return the file's thresholds, where they mean something under this policy.

    Raises:
        EevitError: They do not; some must be given.
    """
    # The measure of anytime is the largest probability, too.
    measure = {OWN: metadata.policy, ANYTIME: 'softmax'}.get(exit_policy, exit_policy)
    if measure == metadata.policy:
        return metadata.default_thresholds
    raise EevitError(
        f"the file's thresholds are those of {metadata.policy} and mean nothing to exit_policy "
        f'{exit_policy}: give thresholds, see docs/thresholds.md'
    )
