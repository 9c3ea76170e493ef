"""Naive encoders and decoders, pixel by pixel where it matters: the oracle for encodings.py."""

from __future__ import annotations

import struct
import zlib

import numpy as np

YUV_ENCODINGS = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')
PLANAR_ENCODINGS = ('nv12', 'nv21', 'i420', 'yv12', 'nv16', 'nv61', 'nv24', 'nv42')

BAYER_ENCODINGS = ('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8')
CHANNEL_ORDER = {
    'rgb8': (0, 1, 2),
    'bgr8': (2, 1, 0),
    '8UC3': (2, 1, 0),
    'rgba8': (0, 1, 2, 3),
    'bgra8': (2, 1, 0, 3),
    '8UC4': (2, 1, 0, 3),
}


def with_padding(rows: np.ndarray, padding: int, last_row_padded: bool) -> tuple[bytes, int]:
    """Join the bytes of rows (H, n) with `padding` bytes of noise between them."""
    height, row_bytes = rows.shape
    noise = np.random.default_rng(1).integers(0, 256, (height, padding), np.uint8)
    data = np.hstack([rows, noise]).tobytes()
    if not last_row_padded and padding:
        data = data[:-padding]
    return data, row_bytes + padding


def color_rows(rgba: np.ndarray, encoding: str) -> np.ndarray:
    return rgba[..., CHANNEL_ORDER[encoding]].reshape(rgba.shape[0], -1)


def rows_16_bit(values: np.ndarray, big_endian: bool) -> np.ndarray:
    high, low = values >> 8, values & 255
    pair = (high, low) if big_endian else (low, high)
    return np.stack(pair, axis=-1).astype(np.uint8).reshape(values.shape[0], -1)


def yuv_rows(y: np.ndarray, u: np.ndarray, v: np.ndarray, encoding: str) -> np.ndarray:
    """Pack y (H, W) and u, v at half the width."""
    height = y.shape[0]
    order = (u, y[:, 0::2], v, y[:, 1::2])
    if encoding in ('yuyv', 'yuv422_yuy2'):
        order = (y[:, 0::2], u, y[:, 1::2], v)
    return np.stack(order, axis=-1).reshape(height, -1)


def chroma_shape(height: int, width: int, encoding: str) -> tuple[int, int]:
    """Return the size of the planes u and v."""
    rows = height if encoding in ('nv16', 'nv61', 'nv24', 'nv42') else height // 2
    return rows, width if encoding in ('nv24', 'nv42') else width // 2


def planes(
    y: np.ndarray, u: np.ndarray, v: np.ndarray, encoding: str, padding: int, more_rows: int
) -> tuple[bytes, int]:
    """Join the planes, their rows padded in proportion, and 2 * `more_rows` rows below y."""
    height, width = y.shape
    pixels, step = height + 2 * more_rows, width + 2 * padding
    first, second = (v, u) if encoding in ('nv21', 'yv12', 'nv61', 'nv42') else (u, v)
    pairs = np.stack([first, second], axis=-1).reshape(u.shape[0], -1)
    chroma = [first, second] if encoding in ('i420', 'yv12') else [pairs]
    parts = []
    for plane in (y, *chroma):
        shape = pixels * plane.shape[0] // height, step * plane.shape[1] // width
        whole = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        whole[: plane.shape[0], : plane.shape[1]] = plane
        parts.append(whole.tobytes())
    return b''.join(parts), step


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """ITU-R BT.601, limited range (Y 16..235, U and V 16..240), chroma repeated, to float RGB."""
    height, width = y.shape
    u, v = (np.repeat(c, width // c.shape[1], axis=1) for c in (u, v))
    u, v = (np.repeat(c, height // c.shape[0], axis=0).astype(float) - 128 for c in (u, v))
    luma = (y.astype(float) - 16) * 255 / 219
    kr, kb = 0.299, 0.114
    kg = 1 - kr - kb
    pr, pb = v * 255 / 112 * (1 - kr), u * 255 / 112 * (1 - kb)
    rgb = np.stack([luma + pr, luma - pr * kr / kg - pb * kb / kg, luma + pb], axis=-1)
    return np.clip(rgb, 0, 255)


def bayer_colors(height: int, width: int, encoding: str) -> np.ndarray:
    """Return (H, W) of 0, 1 or 2: the color each sensor pixel sees, as the ROS name spells it."""
    pattern = ['rgb'.index(letter) for letter in encoding[len('bayer_') : -1]]
    colors = np.empty((height, width), int)
    for row in range(height):
        for column in range(width):
            colors[row, column] = pattern[2 * (row % 2) + column % 2]
    return colors


def demosaic_inside(mosaic: np.ndarray, encoding: str) -> np.ndarray:
    """Bilinear demosaicing of all but the border, to float RGB (H - 2, W - 2, 3)."""
    height, width = mosaic.shape
    colors = bayer_colors(height, width, encoding)
    rgb = np.empty((height - 2, width - 2, 3))
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            here = slice(row - 1, row + 2), slice(column - 1, column + 2)
            for color in range(3):
                seen = colors[here] == color
                if colors[row, column] == color:
                    seen = np.pad([[True]], 1)
                rgb[row - 1, column - 1, color] = mosaic[here][seen].mean()
    return rgb


def png(rows: np.ndarray, width: int, height: int, bits: int, color_type: int) -> bytes:
    """Write a PNG of rows (H, n) of bytes, unfiltered."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack('>I', zlib.crc32(kind + content))
        return struct.pack('>I', len(content)) + kind + content + crc

    header = struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0)
    lines = b''.join(b'\0' + row.tobytes() for row in rows)
    parts = chunk(b'IHDR', header), chunk(b'IDAT', zlib.compress(lines)), chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)
