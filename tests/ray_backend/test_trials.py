"""What Ray Tune is told, and what becomes of what it tells: no cluster is needed to ask."""

import pytest

from orchestrator.estimate.schedule import Place
from orchestrator.experiment.config import Execution
from orchestrator.ray_backend.cluster import Resources
from orchestrator.ray_backend.refits import Refits
from orchestrator.ray_backend.shipping import Shipped
from orchestrator.ray_backend.trials import RowSearcher, Searcher, cause_of_death
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep

REPORT = """Failure # 1 (occurred at 2026-11-24_21-26-29)
The actor died unexpectedly before finishing this task.
\tclass_name: with_resources.<locals>.ResourceTrainable
The actor is dead because its worker process has died.
"""


@pytest.fixture
def job(make_job):
    return make_job(trials=3)


@pytest.fixture
def searcher(job, tmp_path) -> RowSearcher:
    """Asks for the trials of one job on one slot; a trial whose worker died is started again once."""
    output, resources = Output(str(tmp_path)), Resources(1, 0, slots=1, autoscaling=False)
    sweep = Sweep(Ledger([job]), output, Claims(output), Place(resources.slots))
    shipped, execution = Shipped({job.decoding: None}, {}), Execution(max_failures=1)
    return RowSearcher(sweep, shipped, resources, execution, Refits(sweep, shipped, resources, execution))


def index(config) -> int:
    return config["task"].index


def test_no_more_trials_than_slots_and_then_the_next_after_a_row(searcher, job, make_trial):
    first = searcher.suggest("a")
    assert index(first) == 0 and searcher.suggest("b") is None
    row = make_trial(job, 0, [0.5], params=dict(first["task"].params))
    searcher.on_trial_complete("a", {"row": row, "done": True})
    assert searcher.sweep.output.trials() == [row]
    assert index(searcher.suggest("b")) == 1


def test_a_trial_whose_worker_died_is_started_again_and_then_is_a_failed_row(searcher, job):
    assert index(searcher.suggest("a")) == 0
    searcher.on_trial_complete("a", error=True)
    assert searcher.sweep.output.trials() == [], "not yet"
    assert index(searcher.suggest("b")) == 0, "again"
    searcher.reasons["b"] = cause_of_death(REPORT)
    searcher.on_trial_complete("b", error=True)
    (row,) = searcher.sweep.output.trials()
    assert (row.index, row.status, row.epochs) == (0, "failed", 0)
    assert row.error == (
        "its worker died, started 2 times: The actor is dead because its worker process has died."
    )
    assert index(searcher.suggest("c")) == 1, "the search goes on"


def test_each_epoch_is_told_to_the_sweep(searcher, job):
    searcher.suggest("a")
    searcher.on_trial_result("a", {"epoch": 3, "val_auc": 0.75})
    assert searcher.sweep.running[job.id][0].epochs == 3
    searcher.on_trial_result("a", {"row": None, "done": True})
    assert searcher.sweep.running[job.id][0].epochs == 3, "its row comes with its end"


def test_the_reason_is_one_short_line_whatever_the_report():
    assert cause_of_death("Failure # 1\nno memory\n") == "no memory"
    assert cause_of_death("Failure # 1\n") == "no reason given" == cause_of_death("")
    assert len(cause_of_death("Failure # 1\n" + 1000 * "x")) == 200


def test_a_trial_that_the_clock_stopped_leaves_no_row(searcher):
    searcher.suggest("a")
    searcher.sweep.deadline = 0.0
    searcher.on_trial_complete("a", {"epoch": 1, "val_auc": 0.5})
    assert searcher.sweep.output.trials() == [] and not any(searcher.sweep.running.values())
    assert searcher.suggest("b") == Searcher.FINISHED
