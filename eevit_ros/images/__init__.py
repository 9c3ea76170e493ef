"""Camera images: raw and compressed messages to RGB, and the one way to resize them.

`raw` decodes both kinds of message, `jpeg_png` checks and decodes files, `decoder` applies the
settings to one camera, `video` makes whole pictures of packets, `resize` resizes.
May import: settings, errors; NumPy, OpenCV; `video` loads PyAV when asked.
Face: `settings.ImageSettings`, `decoder.Decoder`, `raw.decode_image`, `raw.decode_image_message`,
`raw.decode_compressed`, `resize.resize`, `resize.ResizeRule`, `resize.InputSize`.
"""
