"""From a trained network to one checked ONNX file, at full precision or in fewer bits.

`onnx_writer` traces the graph and writes the file, `precision` quantises it, `check` compares its
answers with torch and its two forms with one another.
May import: network, data, errors; the engine of `eevit_ros`.
Face: `precision.to_precision`, `onnx_writer.write`, `check.check`.
"""
