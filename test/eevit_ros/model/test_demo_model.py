"""The model that ships works wherever the package does: with the oldest ONNX Runtime, too."""

from __future__ import annotations

import numpy as np

from drive.scene.pictures import read_pictures
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import demo_model


def test_it_recognises_pictures_and_both_forms_agree() -> None:
    pictures = read_pictures()[:60]
    single = Engine(demo_model(), compute=Compute(provider='cpu', execution='single'))
    staged = Engine(demo_model(), compute=Compute(provider='cpu', execution='staged'))
    single.warm_up()
    staged.warm_up()
    right = 0
    for picture in pictures:
        one, other = single.run(picture.pixels), staged.run(picture.pixels)
        assert one.exit_layer == other.exit_layer
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
        right += one.class_name == picture.label
    assert right >= 40  # of 100 classes; guessing finds one
