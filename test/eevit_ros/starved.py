"""The classifier on a computer without memory left for white pictures, on the CPU, the last one."""

from __future__ import annotations

import sys
from typing import Any

import gpu_stand_in
import pytest
from gpu_stand_in import Session

from eevit_ros.classifier_node import main

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
