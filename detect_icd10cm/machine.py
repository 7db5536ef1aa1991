"""What the machine offers."""

from __future__ import annotations

import gc
import os


def count_cores() -> int:
    """Return how many cores this process may use; quotas of a container are not seen."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_loaded() -> None:
    """Spare the garbage collector what has been loaded so far, which stays until the process ends.

    Tables of hundreds of thousands of terms would be walked through again and again.
    """
    gc.freeze()
