"""A warm search begins with what earlier jobs found, and with nothing that this job's test images had a say in."""

import dataclasses
import json

import pytest

from orchestrator import cli
from orchestrator.errors import InputError
from orchestrator.experiment import plan, warm_start
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, jobs
from orchestrator.results.output import Output
from orchestrator.results.rows import FAILED
from search_spaces.catalog import PRESETS

PAPER = PRESETS["sa_skip_ganomaly"]["paper"]
BOTTLE = Category("mvtec_ad", "bottle", "/data", images=292, train_images=209, fingerprint="b" * 64)
CABLE = dataclasses.replace(BOTTLE, name="cable")
WARM = {"warm_start": "earlier", "model": ("sa_skip_ganomaly",)}


@pytest.fixture
def winner(make_job, make_job_row):
    """What an earlier job found; keywords are its options, `params` the differences from the paper's."""

    def make(category: str = "bottle", params: dict | None = None, **options) -> warm_start.Winner:
        row = make_job_row(make_job(category, **options), params=json.dumps({**PAPER, "amp": False, **(params or {})}))
        return warm_start._winner(row)

    return make


def points(job, *winners) -> list[float]:
    """The learning rates that a job begins with."""
    return [params["lr"] for _, params in warm_start.starting_points(job, winners)]


# -- which ones


def test_a_start_is_named_after_the_job_that_found_it_and_holds_what_is_searched(make_job, winner):
    found = winner("cable", {"lr": 1e-3})
    ((name, params),) = warm_start.starting_points(make_job("bottle"), [found])
    assert name == f"warm:{found.job_id}"
    assert params == {**PAPER, "lr": 1e-3}


def test_the_same_category_comes_first_the_nearest_size_before_the_others(make_job, winner):
    found = [
        winner("cable", {"lr": 1e-3}),
        winner("bottle", {"lr": 2e-3}, size_px=256),
        winner("bottle", {"lr": 3e-4}, size_px=32),
    ]
    assert points(make_job("bottle", size_px=64), *found) == [3e-4, 2e-3, 1e-3]


def test_of_other_categories_the_most_typical_comes_first(make_job, winner):
    rates = {"carpet": 2e-5, "grid": 1e-4, "tile": 2e-4, "wood": 3e-4, "zipper": 2e-3}
    found = [winner(name, {"lr": lr}) for name, lr in rates.items()]
    assert points(make_job("bottle"), *found) == [2e-4, 3e-4, 1e-4]


def test_the_order_of_the_winners_changes_nothing(make_job, winner):
    found = [winner(name, {"lr": lr}) for name, lr in {"carpet": 3e-5, "grid": 1e-4, "tile": 1e-3}.items()]
    assert points(make_job("bottle"), *found) == points(make_job("bottle"), *reversed(found))


def test_each_point_is_tried_once_and_there_are_few(make_job, winner):
    found = [winner(name, {"lr": lr}) for name, lr in {"a": 1e-4, "b": 1e-4, "c": 2e-4, "d": 3e-4, "e": 4e-4}.items()]
    chosen = points(make_job("bottle"), *found)
    assert len(chosen) == len(set(chosen)) == warm_start.MOST


def test_what_the_space_does_not_hold_is_left_out(make_job, winner):
    job = make_job("bottle", set=("w_lat=1.0",))
    ((_, params),) = warm_start.starting_points(job, [winner("cable", {"lr": 1.0}), winner("tile", {"w_lat": 99.0})])
    assert params == {name: value for name, value in PAPER.items() if name != "w_lat"}


# -- the test part has no say


def test_another_seed_of_the_same_category_judged_images_that_are_tested_here(make_job, winner):
    assert points(make_job("bottle", seed=(0,)), winner("bottle", seed=(1,), size_px=32)) == []


def test_another_seed_of_another_category_did_not(make_job, winner):
    assert points(make_job("bottle", seed=(0,)), winner("cable", seed=(1,))) == [PAPER["lr"]]


def test_protocol_paper_chose_on_the_test_images_of_its_category(make_job, winner):
    assert points(make_job("bottle"), winner("bottle", protocol="paper", size_px=32)) == []


@pytest.mark.parametrize("protocol", ["holdout", "crossfit"])
def test_under_crossfit_every_labelled_image_is_judged_so_no_earlier_choice_by_them_will_do(make_job, winner, protocol):
    job = make_job("bottle", protocol="crossfit")
    assert points(job, winner("bottle", protocol=protocol, size_px=32)) == []
    assert points(job, winner("cable", protocol=protocol)) == [PAPER["lr"]]


def test_forged_defects_are_no_test_images_of_any_seed(make_job, winner):
    assert points(make_job("bottle"), winner("bottle", protocol="synthetic", seed=(1,))) == [PAPER["lr"]]


def test_a_search_does_not_begin_with_its_own_end(make_job, winner):
    assert points(make_job("bottle"), winner("bottle")) == []
    assert points(make_job("bottle"), winner("bottle", epochs=5)) == [PAPER["lr"]]


# -- what a warm job is


def warm_jobs(found: dict, category: Category = BOTTLE, **options) -> list[plan.Job]:
    experiment = Experiment(**{**WARM, **options})
    return warm_start.begin(jobs(experiment, [category], 1), experiment, found)


def test_its_first_trials_are_the_starts_then_the_models_presets(winner):
    (job,) = warm_jobs({"sa_skip_ganomaly": [winner("cable", {"lr": 1e-3})]})
    assert [name.partition(":")[0] for name in job.presets] == ["warm", *PRESETS["sa_skip_ganomaly"]]
    task = plan.trial_task(job, 0, {}, 1)
    assert task.preset.startswith("warm:") and dict(task.params)["lr"] == 1e-3 and task.bars == ()


def test_a_preset_that_is_a_start_already_is_not_tried_twice(winner):
    (job,) = warm_jobs({"sa_skip_ganomaly": [winner("cable")]})
    assert list(job.presets.values()).count(PAPER) == 1


def test_it_is_another_job_than_the_cold_one_and_other_starts_make_another(make_job, winner):
    (one,) = warm_jobs({"sa_skip_ganomaly": [winner("cable", {"lr": 1e-3})]})
    (two,) = warm_jobs({"sa_skip_ganomaly": [winner("cable", {"lr": 1e-4})]})
    assert len({make_job().id, one.id, two.id}) == 3
    assert one.settings == two.settings != make_job().settings
    assert one.experiment.warm_start == "earlier"


def test_a_model_without_anything_to_search_starts_as_ever_with_the_settings_of_its_run(winner):
    found = {"sa_skip_ganomaly": [winner("cable")], "mean_image": [winner("cable", model=("mean_image",))]}
    searched, control = warm_jobs(found, model=("sa_skip_ganomaly", "mean_image"))
    assert control.starts == () and control.settings == searched.settings


def test_an_experiment_without_it_keeps_its_hash():
    assert Experiment().hash() == "5853f3433a93"
    assert Experiment(warm_start="earlier").hash() != Experiment().hash()


# -- the earlier output


def test_winners_are_the_finished_jobs_of_each_model(tmp_path, make_job, make_job_row):
    earlier = Output(str(tmp_path / "earlier"))
    earlier.write_job(make_job_row(make_job("cable"), params=json.dumps(PAPER)))
    earlier.write_job(make_job_row(make_job("tile"), None, FAILED))
    experiment = Experiment(**{**WARM, "warm_start": earlier.root})
    found = warm_start.winners(experiment, Output(str(tmp_path / "new")))
    assert [winner.category for winner in found["sa_skip_ganomaly"]] == ["cable"]


def test_what_was_noted_stands_whatever_the_earlier_output_becomes(tmp_path, make_job, make_job_row):
    earlier, output = Output(str(tmp_path / "earlier")), Output(str(tmp_path / "new"))
    earlier.write_job(make_job_row(make_job("cable"), params=json.dumps(PAPER)))
    experiment = Experiment(**{**WARM, "warm_start": earlier.root})
    before = warm_start.winners(experiment, output)
    warm_start.keep(experiment, output, before)
    earlier.write_job(make_job_row(make_job("tile"), params=json.dumps(PAPER)))
    assert warm_start.winners(experiment, output) == before


def test_an_output_without_such_jobs_is_named(tmp_path):
    experiment = Experiment(**{**WARM, "warm_start": str(tmp_path / "nothing")})
    with pytest.raises(InputError, match="nothing holds no finished job of sa_skip_ganomaly. Name the --output"):
        warm_start.winners(experiment, Output(str(tmp_path / "new")))


def test_a_run_with_nothing_to_begin_with_writes_nothing(tmp_path, capsys):
    assert cli.main(["run", "--warm-start", f"{tmp_path}/nothing", "--output", f"{tmp_path}/out"]) == 2
    assert "holds no finished job" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_of_the_earlier_output_that_cannot_be_read_is_named(tmp_path, capsys):
    torn = tmp_path / "earlier" / "leaderboard" / "torn.parquet"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"PAR1")
    assert cli.main(["run", "--warm-start", f"{tmp_path}/earlier", "--output", f"{tmp_path}/out"]) == 2
    assert "skipped leaderboard/torn.parquet" in capsys.readouterr().err


def test_parameters_of_anybodys_making_are_no_start(make_job, winner):
    found = [winner("cable", {"lr": "fast"}), winner("tile", {"lr": None}), winner("wood", {"w_con": [1]})]
    assert points(make_job("bottle"), *found) == []


def test_a_run_begins_with_the_best_of_the_run_before(tmp_path, few_images, capsys):
    """Two categories of the same images; each begins with the other's winner."""
    (few_images.parent / "two").mkdir(exist_ok=True)
    two = few_images.parent / "two"
    for name in ("left", "right"):
        if not (two / name).exists():
            (two / name).symlink_to(few_images / "fabric")
    command = (
        f"run --backend local --dataset folder --data-root {two} --model sa_skip_ganomaly --set width=8 "
        f"--size-px 32 --epochs 1 --steps-per-epoch 2 --batch 4 --output {tmp_path}/out --scheduler none"
    ).split()
    assert cli.main([*command, "--trials", "2"]) == 0
    assert cli.main([*command, "--trials", "1", "--warm-start", f"{tmp_path}/out"]) == 0
    assert f"warm start from {tmp_path}/out: 2 starting points, of 2 earlier jobs" in capsys.readouterr().out
    output = Output(f"{tmp_path}/out")
    cold = {row.category: row for row in output.jobs() if row.warm_start is None}
    warm = {row.category: row for row in output.trials() if row.warm_start}
    assert warm["left"].preset == f"warm:{cold['right'].job_id}" and warm["left"].lr == cold["right"].lr
    assert {row.warm_start for row in output.jobs()} == {None, f"{tmp_path}/out"}
    trials = len(output.trials())
    assert cli.main([*command, "--trials", "1", "--warm-start", f"{tmp_path}/out"]) == 0
    assert len(output.trials()) == trials
