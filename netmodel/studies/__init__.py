"""Many steps, one question: scaling, search, validation, calibration, ..."""
