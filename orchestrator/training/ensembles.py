"""The ensemble of a category: its best detectors judge together. Nothing is trained.

finished jobs that chose on the same images -> those of them that validation cannot tell from the best -> how much each
counts, by the images that choose -> measured once on the test part, like any refit -> a row, scores, pictures and a
checkpoint of its own, which is all of theirs.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from datasets.frame import Frame
from datasets.images import Images
from model.catalog import ENSEMBLE
from model.contract import Detector
from model.ensemble import Ensemble, HParams
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Job
from orchestrator.hashes import digest
from orchestrator.metrics import ensembling, image, intervals
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

    @property
    def frame(self) -> Frame:
        """What the images are brought to."""
        return Frame(self.best.height_px, self.best.width_px, stretches=self.best.fit == "stretch")


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
    team: Team, category: Category, images: Images, output: Output, device: torch.device
) -> tuple[Refitted, dict[str, bytes]] | None:
    """The ensemble of a team: its measurement, and the files of its checkpoint. None where its best detector is alone.

    Raises InputError where the images are not those of the jobs, and where a checkpoint cannot be read.
    """
    if images.data_hash != team.best.data_hash:
        raise InputError(
            f"{category.name}: the images in --data-root are not those that the jobs of {output.root} were trained on. "
            "Name the folder as it was, or run again."
        )
    job, clock = job_of(team, category), Clock(device, 0.0)
    data = Selections(device).of(job, images)
    members = [(row, checkpoint.load(output, *checkpoint_folder(row.job_id)).detector(device)) for row in team.rows]
    scores = np.stack([scoring.score(detector, data.val)[0] for _, detector in members], axis=1)  # (V, K)
    kept = among_the_best(data.val_labels, scores)
    if len(kept) < 2:
        return None
    members = [members[place] for place in kept]
    ensemble = _built(members, data, scores[:, kept])
    measured = measure(ensemble, job, images, data)
    params = {"members": [{"job_id": row.job_id, **member} for (row, _), member in
                          zip(members, ensemble.hparams.members, strict=True)]}  # fmt: skip
    facts = {"params": params, **data_facts(images, data)}
    row = JobRow(**provenance(job, facts) | measured.figures | clock.stop(), trials=0, failed_trials=0, epochs=0,
                 status=COMPLETED, note="of " + ", ".join(row.model for row, _ in members))  # fmt: skip
    return (
        Refitted(row, measured.scores, measured.pictures),
        checkpoint.files(ensemble, row, measured),
    )


def among_the_best(labels: np.ndarray, scores: np.ndarray) -> list[int]:
    """Which of the detectors, whose scores (V, K) come best first, may judge together: at most MOST_MEMBERS, whose
    AUROC on the images that choose lies within the 95 % interval of the first one's."""
    values = [image.auroc(labels, own) for own in scores.T]
    low, _ = intervals.auroc_interval(labels, scores[:, 0])
    return [place for place, value in enumerate(values) if place == 0 or value >= low][:MOST_MEMBERS]


def job_of(team: Team, category: Category) -> Job:
    """The job that the ensemble's row is of. Its id follows from the team, not from who is in it: made again, it takes
    the place of the one before."""
    best = team.best
    asked = Experiment(
        dataset=(best.dataset,),
        category=(best.category,),
        model=(ENSEMBLE,),
        protocol=best.protocol,
        seed=(best.seed,),
        size_px=(best.size_px,),
        fit=best.fit,
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
