"""Jobs are their descriptions; what runs next follows from the rows, so any order of finishing gives the same."""

import dataclasses
import random

import pytest

from datasets.frame import Frame
from model.catalog import TRAINING_FREE
from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Sized, jobs, label
from orchestrator.experiment.race import Goal
from orchestrator.results.rows import FAILED
from search_spaces.catalog import PRESETS, SPACES

BOTTLE = Category("mvtec_ad", "bottle", "/data", images=292, train_images=209, fingerprint="f" * 64)
PAPER = PRESETS["sa_skip_ganomaly"]["paper"]
CHANGED = {  # every field of a job that decides its rows, with another value
    "seed": {"seed": (1,)},
    "model": {"model": ("skip_ganomaly",)},
    "protocol": {"protocol": "crossfit"},
    "folds": {"protocol": "crossfit", "folds": 10},
    "size_px": {"size_px": 128},
    "fit": {"fit": "stretch"},
    "tiles across": {"fit": "tile", "tiles_across": 2},
    "epochs": {"epochs": 21},
    "batch": {"batch": 17},
    "steps": {"steps_per_epoch": 14},  # as many as the default's, but of full batches
    "sampler": {"sampler": "tpe"},
    "scheduler": {"scheduler": "none"},
    "parallel trials": {"parallel_trials": 2},
    "compiled": {"compile": True},
    "threshold": {"threshold": "f1"},
    "false alarms": {"false_alarms": 0.1},
    "fixed parameter": {"set": ("lr=0.001",)},
    "another fixed value": {"set": ("lr=0.002",)},
    "workers": {"workers": 2},
    "category": {"category": dataclasses.replace(BOTTLE, name="cable")},
    "dataset": {"category": dataclasses.replace(BOTTLE, dataset="folder")},
    "data": {"category": dataclasses.replace(BOTTLE, fingerprint="e" * 64)},
}



def next_trial(todo, rows, running, parallel_trials):
    """The next trial where no job races: each gets all of its trials."""
    goals = {job.id: Goal(job.trials, job.trials) for job in todo}
    return plan.next_trial(todo, rows, running, goals, parallel_trials)


# -- jobs


def test_jobs_are_every_model_on_every_category_with_every_seed():
    cable = dataclasses.replace(BOTTLE, name="cable")
    experiment = Experiment(model=("sa_skip_ganomaly", "mean_image"), seed=(0, 1))
    found = [(job.seed, job.category.name, job.model) for job in jobs(experiment, [BOTTLE, cable], 1)]
    assert found == [
        (seed, category, model)
        for seed in (0, 1)
        for category in ("bottle", "cable")
        for model in ("sa_skip_ganomaly", "mean_image")
    ]


def test_the_job_of_a_size_does_not_depend_on_the_other_sizes():
    small, large = jobs(Experiment(model=("mean_image",), size_px=(32, 64)), [BOTTLE], 1)
    (alone,) = jobs(Experiment(model=("mean_image",)), [BOTTLE], 1)
    assert (small.size_px, large.size_px) == (32, 64)
    assert (large.id, large.settings) == (alone.id, alone.settings)
    assert small.id != large.id and small.settings != large.settings


def test_an_id_and_a_seed_are_the_same_on_every_machine_and_in_every_year(make_job):
    """Written down once. If this fails, finished work of every user is forgotten: raise plan.FORMAT on purpose."""
    job = make_job()
    assert job.id == "bottle-sa_skip_ganomaly-s0-c0dd01dd28"
    assert job.trial_id(7) == "bottle-sa_skip_ganomaly-s0-c0dd01dd28-t0007"
    assert plan.trial_task(job, 0, {}, 1).seed == 983102729


def test_everything_that_decides_a_row_changes_the_id(make_job):
    ids = {name: make_job(**change).id for name, change in CHANGED.items()}
    assert len({make_job().id, *ids.values()}) == len(CHANGED) + 1


def test_the_number_of_trials_and_the_place_of_the_data_do_not(make_job):
    assert make_job(trials=50).id == make_job().id
    assert make_job(category=dataclasses.replace(BOTTLE, root="/elsewhere")).id == make_job().id


def test_settings_are_what_seeds_and_categories_of_one_run_share(make_job):
    shared = {"seed", "model", "category", "dataset", "data"}
    for name, change in CHANGED.items():
        assert (make_job(**change).settings == make_job().settings) == (name in shared), name


def test_a_name_with_any_characters_is_one_path_segment(make_job):
    job_id = make_job("../a b/ü").id
    assert "/" not in job_id and " " not in job_id and not job_id.startswith(".") and job_id.isascii()
    assert make_job("ü").id != make_job("ö").id


def test_a_job_has_no_more_trials_than_its_space_has_points(make_job):
    scores = len(SPACES["sa_skip_ganomaly"]["score"].choices)
    others = tuple(f"{name}={value}" for name, value in PAPER.items() if name != "score")
    assert make_job(trials=20, set=others).trials == scores
    assert make_job(trials=3, set=others).trials == 3 and make_job(trials=20).trials == 20
    assert make_job(trials=20, set=(*others, "score=paper")).trials == 1


def test_seeds_of_trials_differ_between_trials_and_jobs(make_job):
    tasks = [plan.trial_task(make_job(seed=(seed,)), index, {}, 9) for seed in (0, 1) for index in range(5)]
    assert len({task.seed for task in tasks}) == 10


def test_an_option_that_is_not_set_leaves_the_settings_of_older_rows(make_job):
    assert make_job().settings == "a1d24237"


# -- what a model sees


@pytest.mark.parametrize(
    ("fit", "model", "aspect", "frame", "tile_px"),
    [
        ("aspect", "patch_forged", 2.5, Frame(64, 160), None),
        ("aspect", "ganomaly", 2.5, Frame(64, 160), 64),
        ("aspect", "ganomaly", 0.4, Frame(160, 64), 64),
        ("aspect", "ganomaly", 1.05, Frame(64, 64), None),
        ("tile", "patch_forged", 2.5, Frame(64, 160), 64),
        ("tile", "patch_forged", 1.0, Frame(64, 64), None),
        ("letterbox", "ganomaly", 2.5, Frame(64, 64), None),
        ("stretch", "patch_forged", 2.5, Frame(64, 64, stretches=True), None),
    ],
)
def test_a_model_sees_its_pictures_whole_if_it_can_and_in_tiles_if_not(make_job, fit, model, aspect, frame, tile_px):
    job = make_job(dataclasses.replace(BOTTLE, aspect=aspect), fit=fit, model=(model,))
    assert (job.frame, job.tile_px) == (frame, tile_px) and job.decoding == (job.category, frame)
    shape_px = None if frame.height == frame.width else (frame.height, frame.width)
    assert job.sized == Sized(model, 64, shape_px, tile_px)
    assert job.trial_pixels() == job.trial_cost() * frame.height * frame.width


def test_several_tiles_across_make_a_larger_image_of_tiles_of_one_size(make_job):
    job = make_job(dataclasses.replace(BOTTLE, aspect=2.5), fit="tile", tiles_across=2)
    assert (job.frame, job.tile_px) == (Frame(128, 320), 64)
    assert make_job(BOTTLE, fit="tile", tiles_across=2).tile_px == 64, "square pictures too"


def test_a_shape_is_said_where_it_is_no_square(make_job):
    long = dataclasses.replace(BOTTLE, aspect=2.5)
    said = [label(job.sized, job.experiment) for job in (make_job(), make_job(long), make_job(long, model=("padim",)))]
    assert said == ["sa_skip_ganomaly", "sa_skip_ganomaly at 64 x 160 px in tiles", "padim at 64 x 160 px"]


# -- the length of a trial


def test_an_epoch_is_every_image_once_unless_its_steps_are_given(make_job):
    once, given = make_job(epochs=3, batch=10), make_job(epochs=3, batch=10, steps_per_epoch=50)
    assert (once.trial_steps(), once.trial_cost()) == (3 * 21, 3 * 209)
    assert (given.trial_steps(), given.trial_cost()) == (3 * 50, 3 * 50 * 10)
    control = make_job(model=("mean_image",), epochs=3, batch=10, steps_per_epoch=50)
    assert (control.epochs, control.trial_steps(), control.trial_cost()) == (1, 0, 209), "it takes no step"
    assert (once.steps(2, train_images=30), given.steps(2, train_images=30)) == (6, 100)


def test_a_batch_is_no_larger_than_the_training_set(make_job):
    assert make_job(epochs=3, batch=500, steps_per_epoch=50).trial_cost() == 3 * 50 * 209


def test_a_model_that_takes_no_step_has_one_epoch_whatever_is_asked(make_job):
    assert make_job(epochs=3).epochs == 3
    for name in TRAINING_FREE:
        for asked in ({"epochs": 3}, {"epochs": 3, "steps_per_epoch": 50}):
            job = make_job(model=(name,), **asked)
            assert (job.epochs, job.trial_cost()) == (1, 209)


# -- spaces


def test_the_control_has_one_trial_since_it_has_nothing_to_search(make_job):
    assert make_job(model=("mean_image",), trials=20).trials == 1


def test_a_fixed_parameter_leaves_the_space_and_is_in_every_trial(make_job, make_trial):
    job = make_job(set=("lr=0.001",))
    assert set(job.space) == set(SPACES[job.model]) - {"lr"}
    done = {}
    for index in range(4):
        task = plan.trial_task(job, index, done, 1)
        assert dict(task.params)["lr"] == 0.001 and set(dict(task.params)) == set(SPACES[job.model])
        done[index] = make_trial(job, index, [0.5], params=dict(task.params))


def test_where_all_is_fixed_one_trial_is_left(make_job):
    job = make_job(set=tuple(f"{name}={value}" for name, value in PAPER.items()), trials=20)
    assert job.trials == 1 and job.space == {} and len(job.presets) == 1


def test_presets_that_a_fixed_parameter_makes_equal_are_tried_once(make_job):
    job = make_job(set=tuple(f"{name}={value}" for name, value in PAPER.items() if name != "lr"))
    assert len(PRESETS["sa_skip_ganomaly"]) > 2
    assert job.presets == {"paper": {"lr": PAPER["lr"]}, "restoring": {"lr": 2e-3}}
    assert job.trials == Experiment().trials


# -- what runs next


def test_as_few_trials_of_a_job_at_a_time_as_keep_the_slots_busy():
    assert plan.parallel_trials(Experiment(), job_count=8, slots=2) == 1
    assert plan.parallel_trials(Experiment(), job_count=2, slots=5) == 3
    assert plan.parallel_trials(Experiment(parallel_trials=4), job_count=8, slots=2) == 4


def test_the_longest_remaining_work_goes_first(make_job, make_trial):
    short, long = make_job(), make_job(category=dataclasses.replace(BOTTLE, name="cable", train_images=300))
    rows = {short.id: {}, long.id: {}}
    assert next_trial([short, long], rows, {}, 1).job == long
    rows[long.id] = {index: make_trial(long, index, [0.5], params=PAPER) for index in range(4)}
    assert next_trial([short, long], rows, {}, 1).job == short, "4 x 300 images are left, and 8 x 209"
    assert next_trial([short, long], rows, {short.id: {0}}, 1).job == long, "the other waits for its row"


def test_models_that_take_no_step_go_before_any_longer_work(make_job):
    trained, control, gaussian = (make_job(model=(name,)) for name in ("ganomaly", "mean_image", "patch_gaussian"))
    jobs, running = [trained, control, gaussian], {}
    order = []
    while task := next_trial(jobs, {}, running, 1):
        order.append(task.job.model)
        running[task.job.id] = {task.index}
    assert order == ["patch_gaussian", "mean_image", "ganomaly"]


def test_a_trial_under_way_is_no_longer_remaining_work(make_job):
    jobs = [make_job(seed=(0,)), make_job(seed=(1,))]
    assert next_trial(jobs, {}, {jobs[0].id: {0}}, 2).job == jobs[1]


def test_among_equals_the_first_job_goes_first(make_job):
    jobs = [make_job(seed=(seed,)) for seed in (3, 1, 2)]
    assert next_trial(jobs, {}, {}, 1).job.seed == 3


def test_no_more_trials_of_a_job_at_a_time_than_allowed(make_job):
    job = make_job(trials=6)
    running = {job.id: set()}
    while task := next_trial([job], {}, running, 3):
        running[job.id].add(task.index)
    assert running[job.id] == {0, 1, 2}


def test_a_row_that_is_missing_in_the_middle_is_run_first(make_job, make_trial):
    job = make_job()
    rows = {job.id: {i: make_trial(job, i, [0.5], params=PAPER) for i in (0, 1, 3)}}
    assert next_trial([job], rows, {}, 1).index == 2


def sweep_in_some_order(jobs, make_trial, slots: int, parallel_trials: int, order: random.Random) -> set:
    """Every (job, index, parameters, bars) of a sweep on `slots`, trials ending in any order, one restart included."""
    rows, running, started = {job.id: {} for job in jobs}, {}, {}
    restart_after = order.randrange(1, sum(job.trials for job in jobs))
    while True:
        while len(running) < slots:
            busy = {job.id: {task.index for task in running.values() if task.job == job} for job in jobs}
            task = next_trial(jobs, rows, busy, parallel_trials)
            if task is None:
                break
            key = task.job.trial_id(task.index)
            running[key] = started[key] = task
        if not running:
            return {(key, task.params, task.bars) for key, task in started.items()}
        task = running.pop(order.choice(sorted(running)))
        value = 1 - abs(dict(task.params)["lr"] * 1e3 - 1) / 3
        row = make_trial(task.job, task.index, [value] * task.job.experiment.epochs, params=dict(task.params))
        rows[task.job.id][task.index] = row
        if sum(map(len, rows.values())) == restart_after:
            running.clear()


@pytest.mark.parametrize("parallel_trials", [1, 2, 3])
def test_every_order_of_finishing_on_any_number_of_slots_gives_the_same_trials(parallel_trials, make_job, make_trial):
    """With random choices after the presets, so that hundreds of orders can be tried; the next test has the model."""
    jobs = [make_job(sampler="random", seed=(0,), trials=7), make_job("cable", sampler="random", trials=4, epochs=9)]
    expected = sweep_in_some_order(jobs, make_trial, 1, parallel_trials, random.Random(0))
    assert len(expected) == 11
    for seed in range(40):
        for slots in (1, 2, 4):
            assert sweep_in_some_order(jobs, make_trial, slots, parallel_trials, random.Random(seed)) == expected


def test_so_it_does_with_a_model_of_the_rows(make_job, make_trial):
    job = make_job(sampler="tpe", trials=12)
    expected = sweep_in_some_order([job], make_trial, 1, 3, random.Random(0))
    for seed in range(3):
        assert sweep_in_some_order([job], make_trial, 3, 3, random.Random(seed)) == expected


# -- finished


def test_finished_is_a_completed_row_of_enough_trials(make_job, make_job_row):
    job = make_job(trials=8)
    assert not plan.finished(Goal(8, 8), None)
    assert plan.finished(Goal(8, 8), make_job_row(job, trials=8))
    assert plan.finished(Goal(8, 8), make_job_row(job, trials=20)), "fewer are asked for than there are"
    assert not plan.finished(Goal(8, 8), make_job_row(job, trials=7)), "more are asked for"
    assert not plan.finished(Goal(8, 8), make_job_row(job, None, status=FAILED))
