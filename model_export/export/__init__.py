"""From a trained network to one checked ONNX file: folded, at full precision or fewer bits.

May import: network, data, errors; the engine of `eevit_ros`.
Face: `onnx_writer.to_onnx`, `check.check`, `fold.fold`, `precision.to_precision`.
"""
