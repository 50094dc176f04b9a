"""Picture rows -> what a detector got wrong, to look at: small pictures as data: URIs."""

import base64
import functools
import io
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image

from orchestrator.ranking import paper
from orchestrator.report.tables import Tables
from orchestrator.results.output import Output
from orchestrator.results.rows import EXAMPLE, PictureRow

LARGEST_PX = 192  # of a picture in the report
QUALITY = 80
PAPERS_MODEL = paper.MODELS[-1]


@dataclass(frozen=True)
class Shown:
    """One test image, and what the detector made of it. Pictures are data: URIs; None where there is none."""

    path: str
    defect: str
    score: float
    threshold: float
    is_example: bool  # chosen by its content alone, not for being wrong
    is_defective: bool
    image: str | None
    reconstruction: str | None
    heat: str | None
    mask: str | None

    @property
    def is_flagged(self) -> bool:
        """Whether the detector calls it defective."""
        return self.score >= self.threshold

    @property
    def is_right(self) -> bool:
        """Whether the detector is right."""
        return self.is_flagged == self.is_defective

    @property
    def verdict(self) -> str:
        """How it went, in a word or two."""
        if self.is_right:
            return "found" if self.is_defective else "passed"
        return "missed defect" if self.is_defective else "false alarm"


@dataclass(frozen=True)
class Album:
    """Of one job: how often it was wrong, and the pictures that it has left, the worst mistakes first."""

    model: str
    role: str  # why this model is shown
    seed: int
    test_auc: float
    missed: int
    defective: int
    alarms: int
    good: int
    wrong: list[Shown]
    right: list[Shown]


def by_contest(output: Output, found: Tables, ranked: pd.DataFrame) -> dict[str, list[Album]]:
    """Place -> the albums of its leader and of the paper's model. `ranked` are the lines of leaderboard.jobs, with
    `contest`."""
    shown = {}
    scored = ranked[ranked.test_auc.notna()]
    for contest, lines in scored.groupby("contest"):
        leader = lines.sort_values("test_auc", ascending=False, kind="stable").model.iloc[0]
        roles = {leader: "leads here", PAPERS_MODEL: "the paper's model"}
        if leader == PAPERS_MODEL:
            roles = {leader: "leads here; the paper's model"}
        jobs = found.done[found.done.contest == contest].sort_values("seed")
        albums = [album for model, role in roles.items() if (album := _album(output, found, jobs, model, role))]
        if albums:
            shown[contest] = albums
    return shown


def _album(output: Output, found: Tables, jobs: pd.DataFrame, model: str, role: str) -> Album | None:
    """Of the first of the model's seeds that has left pictures."""
    for job in jobs[jobs.model == model].itertuples():
        rows = output.pictures(job.dataset, job.category, job.model, of=[job.job_id])
        if not rows:
            continue
        pictures = sorted(map(_shown, rows), key=lambda own: -abs(own.score - own.threshold))
        scores = found.scores[found.scores.job_id == job.job_id]
        is_flagged = scores.score >= scores.threshold.fillna(rows[0].threshold)
        is_defective = scores.label == 1
        return Album(
            model=model,
            role=role,
            seed=job.seed,
            test_auc=job.test_auc,
            missed=int((is_defective & ~is_flagged).sum()),
            defective=int(is_defective.sum()),
            alarms=int((~is_defective & is_flagged).sum()),
            good=int((~is_defective).sum()),
            wrong=[own for own in pictures if not own.is_right],
            right=[own for own in pictures if own.is_right],
        )
    return None


def _shown(row: PictureRow) -> Shown:
    return Shown(
        path=row.path,
        defect=row.defect,
        score=row.score,
        threshold=row.threshold,
        is_example=row.why == EXAMPLE,
        is_defective=bool(row.label),
        image=data_uri(row.image),
        reconstruction=data_uri(row.reconstruction),
        heat=data_uri(row.residual, is_heat=True),
        mask=data_uri(row.mask),
    )


def data_uri(png: bytes | None, is_heat: bool = False) -> str | None:
    """A PNG file as a small WebP; as a heat map, its grey levels in colours. None where it is no PNG file."""
    if png is None:
        return None
    try:
        picture = Image.open(io.BytesIO(png), formats=["PNG"])
        picture.thumbnail((LARGEST_PX, LARGEST_PX))
        if is_heat:
            picture = Image.fromarray(_colours()[np.asarray(picture.convert("L"))])
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, format="WEBP", quality=QUALITY)
    except Exception:  # on malformed bytes PIL raises SyntaxError, ValueError, DecompressionBombError, ...
        return None
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


@functools.cache
def _colours() -> np.ndarray:
    """(256, 3) uint8, dark to bright."""
    return (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
