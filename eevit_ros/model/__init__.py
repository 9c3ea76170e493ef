"""One model file on the fastest provider: an image of any size in, an answer out.

`engine` runs a frame through `runners`; `provider_fallback` and `providers` open the model;
`ort_session`, `tensorrt_cache` and `compute` are about ONNX Runtime; `check`, `metadata`,
`promise`, `onnx_file` and `stages` about the file; `all_exits` reads every exit.
May import: policies, images, settings, errors; NumPy, ONNX Runtime.
Face: `engine.Engine`, `engine.ExitResult`, `metadata.ModelMetadata`, `compute.Compute`,
`all_exits.AllExits`.
"""
