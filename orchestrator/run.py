"""The main job from Python: the same as `defectsweep run`, but that the ranking is returned and not printed."""

import dataclasses
import time

import pandas as pd

from orchestrator.cli.prepare import prepared
from orchestrator.cli.run import begin, search_and_refit
from orchestrator.experiment import reading
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.ranking import leaderboard

DEFAULTS = Execution()


def sweep(experiment: Experiment, execution: Execution = DEFAULTS) -> pd.DataFrame:
    """Does what is not finished of an experiment, and says so in lines; returns the leaderboard of its jobs, the lines
    of `defectsweep leaderboard --format json`. A job that failed is a line with its `error`.

    Raises InputError for what cannot be, RunError where it must end; KeyboardInterrupt ends it, and what is finished is
    kept: the same call goes on.
    """
    start, options = time.monotonic(), {**dataclasses.asdict(experiment), **dataclasses.asdict(execution)}
    with prepared(*reading.load(options, file=None)) as found:
        ledger = begin(found)
        search_and_refit(found, ledger, start, on_session=lambda: None)
        rows, scores = (found.output.table(kind).to_pandas() for kind in ("leaderboard", "scores"))
        return leaderboard.jobs(rows[rows.job_id.isin({job.id for job in ledger.jobs})], scores)
