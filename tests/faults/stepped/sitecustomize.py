"""On PYTHONPATH: a Python whose wall clock somebody sets while it runs, by the number in the file $STEPPED_CLOCK.

What libfaketime does for a whole process, for what Python reads through `time`: logging's stamps, gunicorn's heartbeats
up to 21, gtdiag's clock. (libfaketime 0.9.10 with a monotonic clock that goes on breaks `time.sleep`: EINVAL.)
"""

import mmap
import os
import struct
import time

if os.environ.get("STEPPED_CLOCK"):
    with open(os.environ["STEPPED_CLOCK"], "r+b") as _file:  # noqa: PTH123
        _shown = mmap.mmap(_file.fileno(), 8)
    _true_s, _true_ns = time.time, time.time_ns

    def _step_s() -> float:
        step_s: float = struct.unpack("<d", _shown[:8])[0]
        return step_s

    time.time = lambda: _true_s() + _step_s()
    time.time_ns = lambda: _true_ns() + int(_step_s() * 1e9)
