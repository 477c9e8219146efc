"""How right the step is against published runs; each bound fails when the model gets worse."""

import numpy as np
import pytest
from netmodel.plots.validation import validation_figure
from netmodel.studies import validate_training
from netmodel.studies.training_batch import batch, case_plan, structure, table_values
from netmodel.studies.training_fit import calibrate_training, free_rows
from netmodel.studies.training_rows import DATA, Case, cases
from netmodel.training.compose import add_up
from netmodel.training.factors import factors, rates, table


@pytest.fixture(scope="module")
def report():
    return validate_training()


@pytest.fixture(scope="module")
def errors(report):
    """Predicted over measured step time less one, by row."""
    rows = {row["id"]: row for row in report["rows"] if row["status"] == "ok"}
    up = ("step_time_s", "gpu_hours")
    return {
        name: row["predicted"] / row["measured"] - 1
        if row["metric"] in up
        else row["measured"] / row["predicted"] - 1
        for name, row in rows.items()
    }


def series(errors, prefix):
    return [error for name, error in errors.items() if name.startswith(prefix)]


def test_the_report_has_the_form_of_the_contract(report):
    assert {"rows", "summary", "scaling"} <= report.keys()
    assert {"rows", "predicted", "median_abs_pct", "mean_abs_pct", "p90_abs_pct", "bias_pct",
            "by_group"} <= report["summary"].keys()  # fmt: skip
    assert {"series", "median_abs_points", "p90_abs_points"} <= report["scaling"].keys()
    assert {"id", "series", "measured", "predicted", "metric", "error_pct", "status", "reason",
            "used_in_fit", "assumptions"} <= report["rows"][0].keys()  # fmt: skip


def test_half_of_all_rows_are_within_three_and_a_half_percent(report):
    assert report["summary"]["predicted"] >= 0.92 * report["summary"]["rows"]
    assert report["summary"]["median_abs_pct"] < 3.5
    assert report["summary"]["p90_abs_pct"] < 12


def test_half_of_all_moe_rows_are_within_six_percent(report):
    assert report["summary"]["by_group"]["kind"]["moe"]["median_abs_pct"] < 6


def test_efficiency_against_size_has_the_published_shape(report):
    assert report["scaling"]["series"] >= 25
    assert report["scaling"]["median_abs_points"] < 1.8
    assert report["scaling"]["p90_abs_points"] < 7.5


def test_deepseek_v3_trains_in_the_published_gpu_hours(errors):
    """2,664K H800 hours for 14.8T tokens (arXiv:2412.19437, Table 1)."""
    assert abs(errors["deepseek-v3-pretrain/01"]) < 0.05
    assert abs(errors["deepseek-v2-pretrain/01"]) < 0.12


def test_the_eight_cells_of_2205_05198(errors):
    cells = np.abs(series(errors, "korthikanti22-a100/"))
    assert len(cells) == 8
    assert cells.mean() < 0.03
    assert cells.max() < 0.065


def test_2104_04473_within_eight_percent(errors):
    assert np.abs(series(errors, "megatron-sc21-a100/")).max() < 0.08


def test_llama_405b_utilisation_is_near_the_published_and_in_its_order(report):
    """43, 41 and 38 % of 989 TFLOP/s (arXiv:2407.21783, Table 4)."""
    rows = [row for row in report["rows"] if row["series"] == "llama3-paper-tab4"]
    shares = [row["predicted"] / 9.89 for row in rows]
    assert shares == pytest.approx([43, 41, 38], abs=4)
    assert shares == sorted(shares, reverse=True)


def test_mlperf_gpt3_keeps_its_efficiency_from_512_to_10752_gpus(report):
    gaps = [
        each["points"]
        for each in report["scaling"]["points"]
        if each["id"].startswith("mlperf31-gpt3-nvidia-h100")
    ]
    assert len(gaps) == 6
    assert max(map(abs, gaps)) < 4


def test_another_file_is_read_and_its_known_rows_are_marked(tmp_path, report):
    lines = DATA.read_text().splitlines(keepends=True)
    copy = tmp_path / "rows.csv"
    copy.write_text("".join(lines[:4]))
    again = validate_training(copy)
    assert [row["predicted"] for row in again["rows"]] == [
        row["predicted"] for row in report["rows"][:3]
    ]
    assert all(row["used_in_fit"] for row in again["rows"])


def test_a_row_that_no_catalog_can_place_is_skipped_with_its_reason(tmp_path):
    lines = DATA.read_text().splitlines(keepends=True)
    row = next(line for line in lines if line.startswith("korthikanti22-a100/01"))
    copy = tmp_path / "rows.csv"
    copy.write_text(lines[0] + row.replace(",fp16,", ",fp8,"))
    found = validate_training(copy)
    assert found["summary"]["predicted"] == 0
    assert "fp8" in found["rows"][0]["reason"]


def test_stacked_rows_are_timed_to_the_last_bit_as_alone():
    some = [each for each in cases() if isinstance(each, Case)][::40]
    together = batch(some).step_times(table_values())
    for each, seconds in zip(some, together, strict=True):
        values = factors(each.gpu, each.software.keys)
        attained = rates(
            each.gpu, values, precision=each.strategy.precision, flash=each.software.recipe.flash
        )
        assert add_up(case_plan(each), attained, values).step_time == pytest.approx(
            seconds, rel=1e-12
        )


def test_structures_differ_by_words_and_not_by_numbers():
    one, other = (each for each in cases() if each.id in ("korthikanti22-a100/01",
                                                          "korthikanti22-a100/05"))  # fmt: skip
    assert structure(one.strategy) != structure(other.strategy) or one.strategy.pp == 1
    assert structure((1, 2.5, "a")) == structure((7, 0, "a"))
    assert structure((1, "a")) != structure((1, "b"))


def test_a_calibration_on_few_rows_improves_them_and_keeps_the_rest(tmp_path):
    lines = DATA.read_text().splitlines(keepends=True)
    copy = tmp_path / "rows.csv"
    copy.write_text("".join([lines[0], *(x for x in lines if x.startswith("korthikanti22-a100/"))]))
    found = calibrate_training(copy, evaluations=8)
    assert found["rows"] == 8
    assert found["after"]["median_abs_pct"] < found["before"]["median_abs_pct"]
    assert found["fitted"] == len(free_rows(list(table().values())))
    shares = [each for each in found["factors"] if each["name"].startswith("gemm_")]
    assert all(each["value"] < 1 for each in shares)


def test_every_scaling_curve_starts_at_100_and_the_gaps_are_the_points(report):
    scaling = report["scaling"]
    gaps = []
    for curve in scaling["curves"]:
        assert curve["gpus"] == sorted(curve["gpus"])
        assert curve["measured_pct"][0] == curve["predicted_pct"][0] == 100
        ends = zip(curve["predicted_pct"][1:], curve["measured_pct"][1:], strict=True)
        gaps += [ours - theirs for ours, theirs in ends]
    assert len(scaling["curves"]) == scaling["series"]
    assert gaps == pytest.approx([each["points"] for each in scaling["points"]])


def test_the_picture_shows_the_largest_series_under_the_scatter(report):
    scatter, _, *panels = sorted(
        validation_figure("training", report).axes, key=lambda ax: -ax.get_position().y0
    )
    assert scatter.get_xlabel() == "Measured (each row in its own metric)"
    largest = sorted((max(each["gpus"]) for each in report["scaling"]["curves"]), reverse=True)
    assert len(panels) == 6
    drawn = [max(ax.lines[0].get_xdata()) for ax in panels]
    assert sorted(drawn, reverse=True) == largest[:6]
