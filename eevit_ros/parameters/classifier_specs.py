"""Which parameters the node has: default, meaning, range or choices of each."""

from __future__ import annotations

from eevit_ros.model.compute import EXECUTIONS, PROVIDERS, Compute
from eevit_ros.model.host_policy import EXIT_POLICIES, OWN
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.perception.shift import WINDOWS
from eevit_ros.speed.rate import LOWEST_FLOOR, MAPPINGS, PHYSICAL_RANGE

TRANSPORTS = ('raw', 'compressed')
CLASS_IDS = ('name', 'index')

_COMPUTE = Compute()
_PERCEPTION = PerceptionSettings()
_RATE, _SHIFT = _PERCEPTION.rate, _PERCEPTION.shift

SPECS: dict[str, Spec] = {
    'model': Spec(
        '',
        "Path of the .onnx model file (~ is the home folder). Empty: the package's demo model.",
    ),
    'model_sha256': Spec(
        '',
        'SHA-256 of the model file, 64 hexadecimal digits as sha256sum prints them; any other file '
        'is refused. Empty: no check.',
    ),
    'image_transport': Spec(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: CompressedImage on `image`/compressed; '
        'remap `image` alone.',
        choices=TRANSPORTS,
    ),
    'thresholds': Spec(
        [],
        'Confidence above which an exit answers, within [0, 1]: one value for all exits (0.8) or '
        "one per exit ([0.8, 0.7, ...]). Higher is more accurate and slower. Empty: the model's "
        'own.',
        live=True,
        any_type=True,
    ),
    'top_k': Spec(5, 'Classes in ~/classification, best first.', 1, 1000),
    'provider': Spec(
        _COMPUTE.provider,
        'Execution provider. auto: the best one available, and the next if it fails, even while '
        'running; any other name is used or the node does not start.',
        choices=('auto', *PROVIDERS),
    ),
    'threads': Spec(
        _COMPUTE.threads,
        'CPU threads for inference. 0: all cores that this process may use but one, which is left '
        'to the rest of the robot.',
        0,
        256,
    ),
    'spin': Spec(
        _COMPUTE.spin,
        'CPU threads spin while they wait for each other within a frame: faster, for more CPU '
        'time. Between frames, and with execution staged, they always sleep.',
    ),
    'tensorrt_fp16': Spec(
        _COMPUTE.tensorrt_fp16,
        'Let TensorRT compute in half precision, which changes probabilities slightly. Other '
        'providers use the precision of the model.',
    ),
    'cache_dir': Spec(
        _COMPUTE.cache_dir,
        'Folder for TensorRT engines, absolute or starting with ~; `ros2 run eevit_ros prepare` '
        'fills it before the robot moves. Empty: $XDG_CACHE_HOME/eevit_ros, else '
        '~/.cache/eevit_ros. See docs/performance.md.',
    ),
    'execution': Spec(
        _COMPUTE.execution,
        'single: one graph that decides where to exit. staged: one graph for each stretch between '
        'exits, and the host decides. auto: staged with an exit_policy, else single. See '
        'docs/performance.md.',
        choices=EXECUTIONS,
    ),
    'exit_policy': Spec(
        OWN,
        "What decides where a frame exits. own: the model's own measure. anytime: budget_ms. The "
        'others need `thresholds` chosen for them. See docs/thresholds.md.',
        choices=EXIT_POLICIES,
    ),
    'budget_ms': Spec(0.0, 'exit_policy anytime: time per frame, milliseconds.', 0.0, 10_000.0),
    'class_ids': Spec(
        'name',
        'What class_id in ~/classification holds; ~/label_info maps index to name.',
        choices=CLASS_IDS,
    ),
    'autostart': Spec(
        True,
        'Configure and activate at start; read once. A wrong model or parameter then ends the '
        'process with exit code 2.',
    ),
    'frozen_after_frames': Spec(
        10,
        'Repeated frames in a row (same stamp or same bytes) after which the camera counts as '
        'frozen and the rate drops to the floor. Raise it for a simulated camera without noise.',
        1,
        1_000_000,
    ),
    'blind_below_contrast': Spec(
        _PERCEPTION.blind_below_contrast,
        'Frames with less contrast than this (standard deviation of brightness, `contrast` in '
        '/diagnostics) count as blind: a covered lens, darkness, a bare wall. They drop the rate '
        'to the floor. 0: off.',
        0.0,
        127.5,
        live=True,
    ),
    'rate.floor': Spec(
        _RATE.floor,
        "Lowest adaptive rate; never 0. Set it and the governor's floor together.",
        LOWEST_FLOOR,
        1.0,
        live=True,
    ),
    'rate.mappings': Spec(
        list(_RATE.mappings),
        'What sets the rate; with several, the lowest counts. See docs/adaptive_rate.md.',
        choices=MAPPINGS,
        live=True,
    ),
    'rate.easy_depth': Spec(
        _RATE.easy_depth,
        'depth: the rate is 1 up to this depth (exit layer / layers) and the floor at depth 1.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.easy_confidence': Spec(
        _RATE.easy_confidence,
        'confidence: the rate is 1 from this confidence up and the floor at min_confidence.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.reference_cycle_s': Spec(
        _RATE.reference_cycle_s,
        'latency: the rate is 1 up to this age of the answer plus frame interval, seconds.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.max_speed_mps': Spec(
        _RATE.max_speed_mps,
        'stopping_distance: speed at rate 1, m/s.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.deceleration_mps2': Spec(
        _RATE.deceleration_mps2,
        'stopping_distance: deceleration of the brakes, m/s^2.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.sight_distance_m': Spec(
        _RATE.sight_distance_m,
        'stopping_distance: distance within which the robot must be able to stop, metres.',
        *PHYSICAL_RANGE,
        live=True,
    ),
    'rate.attack_s': Spec(
        _RATE.attack_s, 'Time constant of a fall, seconds. 0: at once.', 0.0, 10.0, live=True
    ),
    'rate.release_per_s': Spec(
        _RATE.release_per_s, 'Fastest rise of the rate, per second.', 0.001, 100.0, live=True
    ),
    'rate.easy_frames': Spec(
        _RATE.easy_frames,
        'Frames in a row that must call for a higher rate before it rises.',
        1,
        1000,
        live=True,
    ),
    'rate.min_confidence': Spec(
        _RATE.min_confidence,
        'An answer below this confidence, from any exit, drops the rate to the floor.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.stale_after_s': Spec(
        _RATE.stale_after_s,
        'Without an answer for this long, seconds, the rate drops to the floor.',
        0.05,
        10.0,
        live=True,
    ),
    'shift.window': Spec(
        _SHIFT.window,
        "Answers that are compared with the model's calibration at a time.",
        *WINDOWS,
        live=True,
    ),
    'shift.every_s': Spec(
        _SHIFT.every_s,
        'At most one answer in this many seconds is compared: long enough for a new view.',
        0.0,
        3600.0,
        live=True,
    ),
    'shift.false_alarm': Spec(
        _SHIFT.false_alarm,
        'Share of windows reported as shifted although nothing has shifted.',
        1e-6,
        0.5,
        live=True,
    ),
    'shift.slows': Spec(
        _SHIFT.slows, 'Keep the rate at the floor while the last window is shifted.', live=True
    ),
}
