"""The classifier without garbage collection; says how many models it holds before each new one."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import onnxruntime as ort

from eevit_ros.nodes.classifier.node import main

made: weakref.WeakSet[Session] = weakref.WeakSet()


class Session(ort.InferenceSession):
    """A session that is counted as long as it is in memory."""

    def __init__(self, *args: Any, **options: Any) -> None:
        print(f'models in memory: {len(made)}', flush=True)
        super().__init__(*args, **options)
        made.add(self)


gc.disable()
ort.InferenceSession = Session
sys.exit(main())
