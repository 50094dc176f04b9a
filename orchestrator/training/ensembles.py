"""The ensemble of a category: its best detectors judge together. Nothing is trained.

finished jobs that chose on the same images -> those of them that validation cannot tell from the best -> how much each
counts, by the images that choose -> measured once on the test part, like any refit -> a row, scores, pictures and a
checkpoint of its own, which is all of theirs.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from datasets.images import Images
from model.catalog import ENSEMBLE
from model.contract import Detector
from model.ensemble import Ensemble, HParams
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Job
from orchestrator.hashes import digest
from orchestrator.metrics import ensembling, intervals
from orchestrator.results.newest import is_older, newest_data
from orchestrator.results.output import Output, checkpoint_folder
from orchestrator.results.rows import COMPLETED, JobRow
from orchestrator.training import checkpoint, scoring
from orchestrator.training.measure import measure
from orchestrator.training.provenance import Clock, provenance
from orchestrator.training.refit import Refitted
from orchestrator.training.selection import Selection, Selections, data_facts

MOST_MEMBERS = 4
CROSSFIT = "crossfit"


@dataclass(frozen=True)
class Team:
    """Finished jobs of one run, category, size and seed: they see the same images, and chose on the same ones."""

    rows: tuple[JobRow, ...]  # the highest validation AUROC first

    @property
    def best(self) -> JobRow:
        """The job that validation puts first."""
        return self.rows[0]


def teams(jobs: Iterable[JobRow]) -> list[Team]:
    """Of an output's jobs, those on the newest data that may judge together. Cross-fitted ones are none: all labelled
    images chose them, so that none is left to measure them together on."""
    done = [job for job in jobs if job.status == COMPLETED and job.checkpoint and job.val_auc is not None]
    newest, found = newest_data(done), {}
    for job in sorted(done, key=lambda job: (-job.val_auc, job.job_id)):
        if job.model != ENSEMBLE and job.protocol != CROSSFIT and job.height_px and not is_older(job, newest):
            found.setdefault((job.dataset, job.category, job.size_px, job.settings, job.seed), []).append(job)
    return [Team(tuple(found[key])) for key in sorted(found) if len(found[key]) > 1]


def of_team(
    team: Team, job: Job, images: Images, output: Output, device: torch.device
) -> tuple[Refitted, dict[str, bytes]] | None:
    """The ensemble of a team, `job` being that of `job_of`: its measurement, and the files of its checkpoint. None
    where its best detector is alone.

    Raises InputError where the images are not those of the jobs, and where a checkpoint cannot be read.
    """
    if images.data_hash != team.best.data_hash:
        raise InputError(
            f"{job.category.name}: the images in --data-root are not those that the jobs of {output.root} were trained "
            "on. Name the folder as it was, or run again."
        )
    clock, data = Clock(device, 0.0), Selections(device).of(job, images)

    def load(row: JobRow) -> Detector:
        return checkpoint.load(output, *checkpoint_folder(row.job_id)).detector(device)

    best = load(team.best)
    scores = [scoring.score(best, data.val)[0]]
    rows = among_the_best(team, intervals.auroc_interval(data.val_labels, scores[0])[0])
    if len(rows) < 2:
        return None
    members = [(team.best, best), *((row, load(row)) for row in rows[1:])]
    scores += [scoring.score(detector, data.val)[0] for _, detector in members[1:]]
    ensemble = _built(members, data, np.stack(scores, axis=1))
    measured = measure(ensemble, job, images, data)
    params = {"members": [{"job_id": row.job_id, **member} for (row, _), member in
                          zip(members, ensemble.hparams.members, strict=True)]}  # fmt: skip
    facts = {"params": params, **data_facts(images, data)}
    row = JobRow(**provenance(job, facts) | measured.figures | clock.stop(), trials=0, failed_trials=0, epochs=0,
                 status=COMPLETED, note="of " + ", ".join(row.model for row, _ in members))  # fmt: skip
    return Refitted(row, measured.scores, measured.pictures), checkpoint.files(ensemble, row, measured)


def among_the_best(team: Team, low: float) -> list[JobRow]:
    """Those of a team that may judge together: at most MOST_MEMBERS, whose validation AUROC is no less than the lower
    end of the 95 % interval of the best one's."""
    return [row for row in team.rows if row is team.best or row.val_auc >= low][:MOST_MEMBERS]


def normal_folder(team: Team) -> str | None:
    """What the folder of good images is called, where its jobs were told so."""
    return json.loads(team.best.choices).get("normal_folder")


def job_of(team: Team, category: Category) -> Job:
    """The job that the ensemble's row is of. Its id follows from the team, not from who is in it: made again, it takes
    the place of the one before."""
    best = team.best
    asked = Experiment(
        dataset=(best.dataset,),
        category=(best.category,),
        normal_folder=normal_folder(team),
        model=(ENSEMBLE,),
        protocol=best.protocol,
        seed=(best.seed,),
        size_px=(best.size_px,),
        fit=best.fit,
        tiles_across=json.loads(best.choices).get("tiles_across"),
        batch=best.batch,
        **({"threshold": "f1"} if best.false_alarms is None else {"false_alarms": best.false_alarms}),
    )
    described = [best.dataset, best.category, best.size_px, best.settings, best.seed, best.data_hash]
    return Job(asked, category, ENSEMBLE, best.size_px, best.seed, trials=0, fixed=(), workers=1, choices=best.choices,
               settings=best.settings, config_hash=digest([ENSEMBLE, *described]))  # fmt: skip


def _built(members: Sequence[tuple[JobRow, Detector]], data: Selection, scores: np.ndarray) -> Ensemble:
    """`scores` (V, K) are the members' of the images that choose."""
    detectors, normal = [detector for _, detector in members], data.val_labels == 0
    described = [
        {"model": row.model, "hparams": dataclasses.asdict(detector.hparams), "tile_px": row.tile_px}
        for row, detector in members
    ]

    def weighted(weights: Iterable[float]) -> Ensemble:
        hparams = [{**one, "weight": float(weight)} for one, weight in zip(described, weights, strict=True)]
        ensemble = Ensemble(HParams(tuple(hparams)), detectors)
        for scale, own in zip(ensemble.scales, scores.T, strict=True):
            scale.fit(torch.from_numpy(own[normal]))
        return ensemble

    scales = weighted(np.full(len(members), 1 / len(members))).scales
    comparable = [scale(torch.from_numpy(own)).cpu().numpy() for scale, own in zip(scales, scores.T, strict=True)]
    return weighted(ensembling.greedy_weights(data.val_labels, np.stack(comparable, axis=1)))
