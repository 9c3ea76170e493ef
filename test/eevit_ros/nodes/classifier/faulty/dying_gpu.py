"""The classifier on a computer whose GPU dies at its first white picture, see gpu_stand_in."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from eevit_ros.nodes.classifier.node import main
from test.eevit_ros.model import gpu_stand_in
from test.eevit_ros.model.gpu_stand_in import Session

WHITE = 200


def run_until_white(session: Session, *args: Any) -> Any:
    """Answer; but the first session dies for good at a white picture."""
    first = Session.made[0]() is session
    session.dead |= first and args[-1]['image'].mean() > WHITE
    return answer(session, *args)


answer = Session.run
with pytest.MonkeyPatch.context() as patch:
    gpu_stand_in.install(patch, 'cuda')
    patch.setattr(Session, 'run', run_until_white)
    sys.exit(main())
