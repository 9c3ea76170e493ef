"""Which parameters the node has: default, meaning, range or choices of each."""

from __future__ import annotations

from eevit_ros.model.compute import EXECUTIONS, PROVIDERS
from eevit_ros.model.host_policy import EXIT_POLICIES, OWN
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.perception.shift import WINDOWS, ShiftSettings
from eevit_ros.speed.rate import LOWEST_FLOOR, MAPPINGS, PHYSICAL_RANGE, RateSettings

TRANSPORTS = ('raw', 'compressed')
CLASS_IDS = ('name', 'index')

_RATE = RateSettings()
_SHIFT = ShiftSettings()

SPECS: dict[str, Spec] = {
    'model': Spec(
        '',
        "Path of the .onnx model file (~ is the home folder). Empty: the package's demo model.",
    ),
    'model_sha256': Spec(
        '',
        'SHA-256 that the model file must have, 64 hexadecimal digits; another file is refused. '
        'Empty: any.',
    ),
    'image_transport': Spec(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: CompressedImage on `image`/compressed.',
        choices=TRANSPORTS,
    ),
    'thresholds': Spec(
        [],
        'Confidence above which an exit answers: one value for all exits or one for each, within '
        "[0, 1]. Empty: the model's own.",
        live=True,
        any_type=True,
    ),
    'top_k': Spec(5, 'Classes in ~/classification, best first.', 1, 1000),
    'provider': Spec(
        'auto',
        'Execution provider to insist on. auto: the best there is, and the next if it fails.',
        choices=('auto', *PROVIDERS),
    ),
    'threads': Spec(
        0,
        'CPU threads of inference. 0: one for each core that this process may use, but one, which '
        'is left to the rest of the robot.',
        0,
        256,
    ),
    'spin': Spec(
        True,
        'CPU threads wait for each other by spinning while a frame is computed: quicker, and more '
        'CPU time. They sleep between frames, and always with execution staged.',
    ),
    'tensorrt_fp16': Spec(
        True,
        'TensorRT may compute in half precision, which changes probabilities a little. Other '
        'providers compute what the model says.',
    ),
    'cache_dir': Spec(
        '',
        "Folder for TensorRT's engines, absolute or from ~; prepare fills it before the robot "
        'moves. Empty: $XDG_CACHE_HOME/eevit_ros, else ~/.cache/eevit_ros. See '
        'docs/performance.md.',
    ),
    'execution': Spec(
        'auto',
        'single: one graph that decides by itself. staged: one graph for each stretch between '
        'exits. auto: staged with an exit_policy, else single. See docs/performance.md.',
        choices=EXECUTIONS,
    ),
    'exit_policy': Spec(
        OWN,
        "Who decides where a frame leaves. own: the model's measure. Others need thresholds of "
        'their own. See docs/thresholds.md.',
        choices=EXIT_POLICIES,
    ),
    'budget_ms': Spec(0.0, 'exit_policy anytime: time for a frame, milliseconds.', 0.0, 10_000.0),
    'class_ids': Spec('name', 'What class_id in ~/classification holds.', choices=CLASS_IDS),
    'autostart': Spec(True, 'Configure and activate at start; read once.'),
    'frozen_after_frames': Spec(
        10,
        'Repetitions in a row (same stamp or same bytes) that make the camera count as frozen. '
        'Raise it for a simulated camera without noise.',
        1,
        1_000_000,
    ),
    'blind_below_contrast': Spec(
        2.0,
        'Frames of less contrast (standard deviation of brightness, 0..127.5) count as blind and '
        'send the rate to the floor: lens covered, darkness, a bare wall. 0: none.',
        0.0,
        127.5,
        live=True,
    ),
    'rate.floor': Spec(_RATE.floor, 'Lowest adaptive rate.', LOWEST_FLOOR, 1.0, live=True),
    'rate.mappings': Spec(
        list(_RATE.mappings),
        'What makes the rate; of several the lowest counts. See docs/adaptive_rate.md.',
        choices=MAPPINGS,
        live=True,
    ),
    'rate.easy_depth': Spec(
        _RATE.easy_depth,
        'depth: up to this exit depth (layer / layers) the rate is 1.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.easy_confidence': Spec(
        _RATE.easy_confidence,
        'confidence: from this confidence up the rate is 1; at rate.min_confidence the floor.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.reference_cycle_s': Spec(
        _RATE.reference_cycle_s,
        'latency: up to this age plus frame interval, seconds, the rate is 1.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.max_speed_mps': Spec(
        _RATE.max_speed_mps,
        'stopping_distance: the speed of rate 1, m/s.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.deceleration_mps2': Spec(
        _RATE.deceleration_mps2,
        'stopping_distance: what the brakes reach, m/s^2.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.sight_distance_m': Spec(
        _RATE.sight_distance_m,
        'stopping_distance: within this distance, metres, the robot must be able to stop.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.attack_s': Spec(
        _RATE.attack_s, 'Time constant downwards, seconds. 0: at once.', 0.0, 10.0, live=True
    ),
    'rate.release_per_s': Spec(
        _RATE.release_per_s, 'Steepest rise of the rate, per second.', 0.001, 100.0, live=True
    ),
    'rate.easy_frames': Spec(
        _RATE.easy_frames,
        'Frames in a row above the present rate before it rises.',
        1,
        1000,
        live=True,
    ),
    'rate.min_confidence': Spec(
        _RATE.min_confidence,
        'Answers below this confidence, from any exit, send the rate to the floor.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.stale_after_s': Spec(
        _RATE.stale_after_s,
        'Without an answer for this long, seconds, the rate is the floor.',
        0.05,
        10.0,
        live=True,
    ),
    'shift.window': Spec(
        _SHIFT.window,
        "Answers that are compared with the model's calibration at a time. See "
        'docs/distribution_shift.md.',
        *WINDOWS,
        live=True,
    ),
    'shift.every_s': Spec(
        _SHIFT.every_s,
        'At most one answer in so many seconds is compared: long enough for another view.',
        0.0,
        3600.0,
        live=True,
    ),
    'shift.false_alarm': Spec(
        _SHIFT.false_alarm,
        'Share of windows that count as shifted though nothing has shifted.',
        1e-6,
        0.5,
        live=True,
    ),
    'shift.slows': Spec(
        _SHIFT.slows, 'Rate at the floor while the last window is shifted.', live=True
    ),
}
