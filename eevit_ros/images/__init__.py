"""Pixels in: raw and compressed camera messages to RGB, and the one resize rule.

May import: errors, NumPy, OpenCV.
Face: `raw.decode_image`, `raw.decode_image_message`, `raw.decode_compressed`, `resize.resize`,
`resize.ResizeRule`.
"""
