"""The ensemble of a category: which jobs judge together, and that what is kept is what was measured."""

import json
from dataclasses import replace

import pytest
import torch

from datasets.frame import Frame
from model.catalog import ENSEMBLE
from orchestrator.errors import InputError
from orchestrator.experiment import plan, preflight
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Decoding
from orchestrator.metrics import image
from orchestrator.results.output import Output, checkpoint_folder
from orchestrator.results.rows import JobRow
from orchestrator.training import checkpoint, ensembles, refit, scoring
from orchestrator.training.ensembles import Team
from orchestrator.training.selection import Selections

CPU = torch.device("cpu")
MODELS = ("patch_gaussian", "padim")


@pytest.fixture(scope="module")
def category():
    return preflight.scanned("synthetic", "fabric", None)


@pytest.fixture(scope="module")
def fabric_32(category):
    decoding = Decoding(category, Frame(32, 32))
    return preflight.decode([decoding], Experiment(), Execution())[decoding]


@pytest.fixture(scope="module")
def output(category, fabric_32, make_job, train, tmp_path_factory):
    """Two detectors of one seed."""
    found = Output(str(tmp_path_factory.mktemp("out"))).create()
    for model in MODELS:
        job = make_job(category, model=(model,), size_px=32, trials=1)
        row = train(plan.trial_task(job, 0, {}, 1), fabric_32)
        task = refit.refit_task(job, [row])
        refit.keep(found, refit.with_checkpoint(*refit.refit(task, fabric_32, Selections(CPU), 0.0)))
    return found


@pytest.fixture(scope="module")
def made(output, category, fabric_32):
    (team,) = ensembles.teams(output.jobs())
    return team, ensembles.of_team(team, ensembles.job_of(team, category), fabric_32, output, CPU)


# -- who judges together


def rows(output: Output, **changes) -> list[JobRow]:
    """The rows of the output, the second one changed."""
    first, second = output.jobs()
    return [first, replace(second, **changes)]


def test_a_team_are_the_jobs_that_chose_on_the_same_images_the_best_first(output):
    (team,) = ensembles.teams(rows(output))
    assert {row.model for row in team.rows} == set(MODELS)
    assert team.best.val_auc == max(row.val_auc for row in output.jobs())


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"size_px": 64}, {"settings": "0" * 8}, {"category": "board"}, {"status": "failed"},
     {"checkpoint": None}, {"protocol": "crossfit"}, {"model": ENSEMBLE}, {"data_hash": "0" * 64, "started_at": "1"}],
)  # fmt: skip
def test_others_are_none(output, changes):
    assert ensembles.teams(rows(output, **changes)) == []


def test_who_is_clearly_worse_on_the_images_that_choose_is_left_out(output):
    first, *_ = output.jobs()

    def kept(*values: float) -> int:
        return len(ensembles.among_the_best(Team(tuple(replace(first, val_auc=value) for value in values)), low=0.9))

    assert [kept(0.97, 0.9, 0.89), kept(0.97, 0.5), kept(0.97, *5 * [0.95])] == [2, 1, 4]


def test_its_frame_is_that_of_the_jobs_tiles_across_and_all(output, make_job, category):
    (team,) = ensembles.teams(output.jobs())
    assert ensembles.job_of(team, category).frame == Frame(32, 32)
    tiled = make_job(replace(category, aspect=0.5), model=("padim",), size_px=32, fit="tile", tiles_across=2)
    best = replace(team.best, fit="tile", choices=tiled.choices)
    found = ensembles.job_of(Team((best,)), replace(category, aspect=0.5))
    assert (found.frame, found.tile_px) == (tiled.frame, tiled.tile_px) and found.frame.width == 64


# -- what is kept


def test_the_row_is_measured_on_the_test_part_by_what_the_checkpoint_holds(made, fabric_32, tmp_path):
    _, (refitted, files) = made
    kept = refit.with_checkpoint(refitted, files)
    refit.keep(output := Output(str(tmp_path)).create(), kept)
    detector = checkpoint.load(output, *checkpoint_folder(kept.row.job_id)).detector(CPU)
    test = Selections(CPU).of(_job(made), fabric_32).split.test
    scores, _ = scoring.score(detector, torch.from_numpy(fabric_32.pixels[test]))
    assert scores == pytest.approx([row.score for row in refitted.scores])
    assert kept.row.test_auc == image.auroc(fabric_32.labels[test], scores)
    assert (kept.row.model, kept.row.epochs, kept.row.trials) == (ENSEMBLE, 0, 0)


def _job(made):
    team, (refitted, _) = made
    return ensembles.job_of(team, preflight.scanned("synthetic", refitted.row.category, None))


def test_it_names_its_members_and_their_weights_and_normal_images_that_chose_have_mean_0(made, tmp_path):
    team, (refitted, files) = made
    refit.keep(output := Output(str(tmp_path)).create(), refit.with_checkpoint(refitted, files))
    labels, scores = checkpoint.load(output, *checkpoint_folder(refitted.row.job_id)).scores_that_chose()
    assert scores[labels == 0].mean() == pytest.approx(0, abs=1e-5) and scores[labels == 1].mean() > 0.5
    params = json.loads(refitted.row.params)["members"]
    assert [one["job_id"] for one in params] == [row.job_id for row in team.rows]
    assert sum(one["weight"] for one in params) == pytest.approx(1)
    assert refitted.row.settings == team.best.settings and refitted.row.split_hash == team.best.split_hash


def test_made_again_it_is_the_same_job_whoever_is_in_it(made):
    team, (refitted, _) = made
    others = ensembles.Team(team.rows[::-1])
    category = preflight.scanned("synthetic", "fabric", None)
    assert ensembles.job_of(others, category).id == ensembles.job_of(team, category).id == refitted.row.job_id


def test_other_images_than_the_jobs_had_are_refused(made, output, category, fabric_32):
    team, _ = made
    changed = replace(fabric_32, data_hash="0" * 64)
    with pytest.raises(InputError, match="not those that the jobs of .* were trained on"):
        ensembles.of_team(team, ensembles.job_of(team, category), changed, output, CPU)
