"""Many steps, one question: scaling, search, validation, calibration, ..."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "calibrate_nccl_tests": "collectives_calibrate",
    "calibrate_training": "training_fit",
    "check_log": "collectives_check",
    "validate_collectives": "collectives_validate",
    "validate_moe": "moe_validate",
    "validate_training": "training_validate",
}
"""Public names and the file that each lives in; a file is imported when its name is asked for."""

__all__ = [
    "calibrate_nccl_tests",
    "calibrate_training",
    "check_log",
    "validate_collectives",
    "validate_moe",
    "validate_training",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
