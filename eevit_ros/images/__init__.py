"""Camera images: raw and compressed messages to RGB, and the one way to resize them.

`raw` decodes raw messages by `encodings`, `compressed` compressed ones and photos by
`picture_file`, `video` makes whole pictures of packets. `decoder` applies the settings to one
camera, `resize` resizes.
May import: settings, errors; NumPy, OpenCV; `video` loads PyAV when asked.
Face: `settings.ImageSettings`, `decoder.Decoder`, `raw.decode_image`, `raw.decode_image_message`,
`compressed.decode_compressed`, `compressed.decode_photo`, `resize.resize`, `resize.ResizeRule`,
`resize.InputSize`.
"""
