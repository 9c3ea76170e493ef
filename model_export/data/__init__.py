"""Labelled images from files on disk to batches; nothing is ever downloaded."""

from model_export.data.batches import evaluation_batch, training_batch
from model_export.data.dataset import (
    RULE,
    Dataset,
    check_classes,
    fingerprint,
    split_held_out,
)
from model_export.data.load import load_split

__all__ = [
    'RULE',
    'Dataset',
    'check_classes',
    'evaluation_batch',
    'fingerprint',
    'load_split',
    'split_held_out',
    'training_batch',
]
