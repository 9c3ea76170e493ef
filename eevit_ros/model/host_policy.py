"""The exit policy on the robot: the model file's own, or one that the host computes."""

from __future__ import annotations

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import SINGLE, Log
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.runners import Runner, StagedRunner
from eevit_ros.policies import NAMES, Anytime, Policy, build_policy

OWN, ANYTIME = 'own', 'anytime'
EXIT_POLICIES = (OWN, *NAMES, ANYTIME)


def check_choice(exit_policy: str, budget_ms: float, execution: str) -> None:
    """Check the options before a model is loaded.

    Raises:
        EevitError: The policy is unknown or cannot run in this form, or the budget does not fit it.
    """
    if exit_policy not in EXIT_POLICIES:
        raise EevitError(f'exit_policy must be one of {EXIT_POLICIES}. Got {exit_policy!r}')
    if exit_policy != OWN and execution == SINGLE:
        raise EevitError(
            f"exit_policy {exit_policy!r} runs in stages: set execution to 'staged' or 'auto'. "
            f'Got {execution!r}'
        )
    if (exit_policy == ANYTIME) != (budget_ms > 0):  # so written that NaN is no budget
        raise EevitError(
            'budget_ms must be above 0 with exit_policy anytime, and 0 with any other. '
            f'Got {budget_ms} with {exit_policy!r}'
        )


def policy_of(
    runner: Runner, exit_policy: str, budget_ms: float, too_short: Log | None = None
) -> Policy | None:
    """Build the policy; None stands for the file's own.

    Args:
        runner: The loaded model.
        exit_policy: One of `EXIT_POLICIES`.
        budget_ms: Time of exit policy 'anytime' for one frame, milliseconds.
        too_short: Told if the first exit takes longer than that, and every frame then leaves there;
            None refuses.

    Raises:
        EevitError: The budget is too short.
    """
    if not isinstance(runner, StagedRunner) or exit_policy == OWN:
        return None
    accuracy = runner.metadata.accuracy
    if exit_policy != ANYTIME:
        return build_policy(exit_policy, accuracy)
    spent_ms = runner.spent_ms()
    if too_short and spent_ms[0] > budget_ms:
        too_short(
            f'budget_ms {budget_ms:g} is too short here: the first exit answers after '
            f'{spent_ms[0]:.3g} ms, and every frame leaves there'
        )
        budget_ms = spent_ms[0]
    return Anytime.on_the_robot(spent_ms, budget_ms, accuracy)


def file_thresholds(metadata: ModelMetadata, exit_policy: str) -> tuple[float, ...]:
    """Return the file's thresholds.

    Raises:
        EevitError: They belong to another policy's measure.
    """
    # Anytime compares the largest probability, as softmax does.
    measure = {OWN: metadata.policy, ANYTIME: 'softmax'}.get(exit_policy, exit_policy)
    if measure == metadata.policy:
        return metadata.default_thresholds
    raise EevitError(
        f"the file's thresholds are for {metadata.policy} and mean nothing to exit_policy "
        f'{exit_policy}: set thresholds, see docs/thresholds.md'
    )
