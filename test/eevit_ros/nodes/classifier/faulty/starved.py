"""The classifier on a computer without memory left for white pictures, on the CPU, the last one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from eevit_ros.nodes.classifier.node import main
from test.eevit_ros.model import gpu_stand_in
from test.eevit_ros.model.gpu_stand_in import Session

WHITE = 200


def run_with_little_memory(session: Session, *args: Any) -> Any:
    if args[-1]['image'].mean() > WHITE:
        raise RuntimeError('[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation')
    return answer(session, *args)


answer = Session.run
with pytest.MonkeyPatch.context() as patch:
    gpu_stand_in.install(patch)
    patch.setattr(Session, 'run', run_with_little_memory)
    sys.exit(main())
