"""One model file, checked, on the fastest provider: an image of any size in, an answer out.

May import: policies, images, errors; NumPy, OpenCV, ONNX Runtime.
Face: `engine.Engine`, `engine.ExitResult`, `metadata.ModelMetadata`, `compute.Compute`.
"""
