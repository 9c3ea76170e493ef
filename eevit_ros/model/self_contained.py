"""Whether a model file keeps weights elsewhere: in other files, or at an address in memory.

ONNX Runtime's refusal cannot be relied on: several versions read such weights from whatever lies in
the working directory, or above it, even for a model given as bytes, and some take an address in
this process for a place. So the whole file is walked, the way ONNX Runtime would read it.

Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (the field numbers)
"""

from __future__ import annotations

from eevit_ros.model.protobuf import read_fields

# Which fields of a message lead on, and to which message. All of them, not only the first: protobuf
# merges repetitions.
_LEADS_TO = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
_EXTERNAL = {13, 14}  # of a tensor: external_data, data_location
_HERE = b'\x70\x00'  # data_location DEFAULT, which some tools write


def is_self_contained(model: bytes) -> bool:
    """Return whether no tensor of an ONNX file names a place outside of it.

    Raises:
        EevitError: The file is truncated or no ONNX model.
    """
    todo = [('model', memoryview(model))]
    while todo:
        kind, message = todo.pop()
        leads_to = _LEADS_TO[kind]
        for field in read_fields(message):
            if kind == 'tensor' and field.number in _EXTERNAL and field.whole != _HERE:
                return False
            if field.number in leads_to:
                todo.append((leads_to[field.number], field.content))
    return True
