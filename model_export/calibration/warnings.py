"""What a trained model's figures on held-out and test images warn of, each with the cure."""

from __future__ import annotations

from collections.abc import Sequence

from model_export.calibration.temperatures import TEMPERATURES

_ALL = 0.95  # of the images
_LEAST = 0.01  # a smaller lead of an early exit is chance in any set
_COST = 0.03  # of accuracy, by early exits: more is seldom wanted


def warn_of_depth(accuracy: Sequence[float], layers: Sequence[int], images: int) -> None:
    """Warn if the final exit is not the best.

    Args:
        accuracy: Of E + 1 exits on held-out images.
        layers: Of each of them.
        images: Number of those images.
    """
    best = max(range(len(accuracy)), key=lambda i: accuracy[i])
    lead = accuracy[best] - accuracy[-1]
    deviation = (accuracy[best] * (1 - accuracy[best]) / images) ** 0.5
    if lead > max(_LEAST, 1.5 * deviation):
        print(
            f'warning: the final exit is right for {accuracy[-1]:.1%} of the held-out images, the '
            f'exit after layer {layers[best]} for {accuracy[best]:.1%}: more depth makes answers '
            f'worse, and neither thresholds nor a promise measured against the final exit mean '
            f'much. Train the backbone longer: raise min_steps or epochs of the first stage'
        )


def warn_of_one_exit(share: Sequence[float], layers: Sequence[int]) -> None:
    """Warn if nearly all images leave at one early exit.

    Args:
        share: Of the images at each of E + 1 exits.
        layers: Of each of them.
    """
    most = max(range(len(share)), key=lambda i: share[i])
    if share[most] >= _ALL and most < len(share) - 1:
        print(
            f'warning: {share[most]:.0%} of the held-out images leave after layer {layers[most]}: '
            f'the other exits are of no use, and a rate by depth never slows the robot. If the '
            f'final exit is weak, train the backbone longer; if the task is easy for this model, '
            f'take an earlier first exit, fewer exits, or a smaller --max-drop'
        )


def warn_of_temperatures(temperatures: Sequence[float], layers: Sequence[int]) -> None:
    """Warn of temperatures that stopped at their limit.

    Args:
        temperatures: Of E + 1 exits.
        layers: Of each of them.
    """
    stopped = [
        f'{layer} ({temperature:g})'
        for layer, temperature in zip(layers, temperatures, strict=True)
        if temperature in TEMPERATURES
    ]
    if stopped:
        print(
            f'warning: the temperature after layer {", ".join(stopped)} is at its limit: the '
            f'held-out images are all right or all wrong there, or too few, and confidences mean '
            f'little. Hold out more images (held_out), harder ones, or none that were trained on'
        )


def warn_of_lost_accuracy(early: float, full: float, images: int) -> None:
    """Warn if early exits cost much accuracy on a test set.

    Args:
        early: Accuracy with early exits.
        full: Accuracy at full depth.
        images: Number of test images.
    """
    deviation = (full * (1 - full) / images) ** 0.5
    if full - early > max(_COST, 2 * deviation):
        print(
            f'warning: early exits cost {100 * (full - early):.1f} points of accuracy: '
            f'{early:.1%}, at full depth {full:.1%}. Unless you asked for it '
            f'(--max-drop, --min-speedup), the thresholds were chosen on too few held-out images, '
            f'or on too few scenes: hold out more, and take higher thresholds until then '
            f'(thresholds:=0.95 in the node)'
        )
