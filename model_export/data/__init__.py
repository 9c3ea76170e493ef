"""Labelled images from files on disk to batches; nothing is ever downloaded.

`load_split` decodes a set once, into squares on disk (`Squares`); `crop_loader` makes training
batches of them in worker processes, `evaluation_batch` the pixels that the robot sees. Imports
`recipe` and `errors`, and the resize rule of `eevit_ros.images`. `values` holds images with numbers
in place of classes.
"""

from model_export.data.batches import evaluation_batch
from model_export.data.dataset import (
    Dataset,
    Images,
    LabelledImages,
    check_classes,
    fingerprint,
    split_held_out,
)
from model_export.data.folder import Reading
from model_export.data.load import load_split
from model_export.data.squares import RULE

__all__ = [
    'RULE',
    'Dataset',
    'Images',
    'LabelledImages',
    'Reading',
    'check_classes',
    'evaluation_batch',
    'fingerprint',
    'load_split',
    'split_held_out',
]
