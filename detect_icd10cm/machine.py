"""What the machine offers."""

from __future__ import annotations

import os


def count_cores() -> int:
    """Return how many cores this process may use; quotas of a container are not seen."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
