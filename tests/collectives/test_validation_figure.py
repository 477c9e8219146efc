"""The scatter of predicted against measured shows every counted row."""

import pytest
from netmodel import studies
from netmodel.plots.validation import validation_figure


@pytest.mark.parametrize("subject", ["collectives", "moe"])
def test_every_counted_row_is_a_point(subject):
    report = getattr(studies, f"validate_{subject}")()
    scatter, errors = validation_figure(subject, report).axes
    points = sum(len(line.get_xdata()) for line in scatter.lines if line.get_ls() == "None")
    assert points == report["summary"]["counted"]
    all_rows = errors.lines[0].get_xdata()
    assert len(all_rows) == report["summary"]["counted"]
    assert all_rows[len(all_rows) // 2] == pytest.approx(
        report["summary"]["median_abs_pct"], rel=0.02
    )
