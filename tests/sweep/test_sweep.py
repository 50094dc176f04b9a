"""A sweep is its rows: built again on what lies on disk, it does what is left, and nothing twice."""

import time

import pytest

from orchestrator.estimate.schedule import Place
from orchestrator.estimate.time_left import UnderWay
from orchestrator.experiment import plan
from orchestrator.experiment.job import Job
from orchestrator.results.output import CLAIMS, STATES, Output, checkpoint_folder, state_file
from orchestrator.results.rows import COMPLETED, FAILED, PRUNED, ScoreRow
from orchestrator.sweep import sweep as sweep_module
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Listener, Sweep
from orchestrator.training.refit import Refitted, refit_id

FOREVER = float("inf")


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(str(tmp_path))


@pytest.fixture
def begin(output):
    """A sweep of these jobs on what the output holds, ready to go. Earlier ones have ended, but for a `rival`."""

    def build(
        *jobs: Job, time_budget_s: float = FOREVER, listener=None, rival: bool = False, slots: int = 1, **place
    ) -> Sweep:
        if not rival:
            output.delete_folder("claims")
        deadline = time.monotonic() + time_budget_s
        sweep = Sweep(Ledger.read(jobs, output), output, Claims(output), Place(slots, **place), deadline)
        sweep.listeners += [listener] if listener else []
        return sweep

    return build


@pytest.fixture
def search(make_trial):
    """Runs up to `limit` trials, each a row of constant AUROC (by index, or one for all); returns the indices run."""

    def run(sweep: Sweep, limit=100, value=lambda index: 0.5 + index / 100, status=COMPLETED) -> list[int]:
        indices = []
        while len(indices) < limit and (task := sweep.next_trial()):
            curve = [] if status == FAILED else [value(task.index)] * task.job.experiment.epochs
            sweep.record(task, make_trial(task.job, task.index, curve, status=status, params=dict(task.params)))
            indices.append(task.index)
        return indices

    return run


@pytest.fixture
def refit(make_job_row, make_picture):
    """Closes every job that is ready, as a backend does; returns the winners' indices."""

    def run(sweep: Sweep) -> list[int | None]:
        winners = []
        while found := sweep.next_refit():
            job, task = found
            if task is None:
                sweep.fail(job)
                winners.append(None)
                continue
            identity = {"job_id": job.id, "dataset": "mvtec_ad", "category": job.category.name, "model": job.model}
            score = ScoreRow(**identity, seed=job.seed, path="test/good/000.png", label=0, defect="good", score=0.5)
            row = make_job_row(job, 0.9, trials=task.trials, best_trial=task.winner.trial_id)
            sweep.close(Refitted(row, [score], [make_picture(job)]))
            winners.append(task.winner.index)
        return winners

    return run


def test_a_job_is_searched_refitted_and_closed(begin, search, refit, output, make_job):
    job = make_job(trials=4)
    sweep = begin(job)
    assert sweep.next_refit() is None and not sweep.ledger.is_over() and not sweep.all_handed_out()
    assert search(sweep) == [0, 1, 2, 3]
    assert sweep.all_handed_out() and not sweep.ledger.is_over()
    assert refit(sweep) == [3], "the best"
    assert sweep.next_refit() is None and sweep.ledger.is_over() and sweep.ledger.failed_jobs() == []
    assert [row.best_trial for row in output.jobs()] == [job.trial_id(3)]
    assert output.table("scores").num_rows == 1


def test_rows_on_disk_come_back_and_the_rest_is_done(begin, search, refit, output, make_job):
    job = make_job(trials=5)
    search(begin(job), limit=2)
    again = begin(job)
    assert again.ledger.resumed_trials == 2 and again.ledger.rows[job.id][1].val_auc == 0.51
    assert search(again) == [2, 3, 4]
    assert refit(again) == [4]
    assert len(output.trials()) == 5


def test_an_interrupted_sweep_leaves_the_same_trials_as_one_that_was_not(begin, search, tmp_path, make_job, output):
    job = make_job(trials=8, sampler="tpe")
    for _ in range(8):
        search(begin(job), limit=1)
    whole = Output(str(tmp_path / "whole"))
    search(Sweep(Ledger([job]), whole, Claims(whole), Place(1)))
    assert output.trials() == whole.trials()


def test_a_trial_that_was_under_way_is_run_again(begin, search, make_job):
    job = make_job(trials=3)
    begin(job).next_trial()
    assert search(begin(job)) == [0, 1, 2]


def test_a_finished_job_is_skipped(begin, search, refit, make_job):
    done, other = make_job(trials=2), make_job("cable", trials=2)
    sweep = begin(done)
    search(sweep)
    refit(sweep)
    again = begin(done, other)
    assert (again.ledger.skipped, again.ledger.todo) == (1, [other])
    assert search(again) == [0, 1] and refit(again) == [1] and again.ledger.is_over()
    assert begin(done, other).ledger.is_over(), "nothing is left"


def test_asked_for_more_trials_a_finished_job_goes_on(begin, search, refit, output, make_job):
    sweep = begin(make_job(trials=2))
    search(sweep)
    refit(sweep)
    more = begin(make_job(trials=4))
    assert more.ledger.skipped == 0 and more.ledger.resumed_trials == 2
    assert search(more) == [2, 3]
    assert refit(more) == [3]
    (row,) = output.jobs()
    assert row.trials == 4


def test_rows_beyond_what_is_asked_for_do_not_choose(begin, search, refit, output, make_job):
    search(begin(make_job(trials=5)))
    fewer = begin(make_job(trials=3))
    assert fewer.ledger.resumed_trials == 3 and search(fewer) == []
    assert refit(fewer) == [2]


def test_a_failed_refit_is_a_row_and_is_taken_up_again(begin, search, refit, output, make_job):
    job = make_job(trials=2)
    sweep = begin(job)
    search(sweep)
    sweep.next_refit()
    sweep.fail(job, "RuntimeError: out of memory")
    errors = [row.error for row in sweep.ledger.failed_jobs()]
    assert sweep.ledger.is_over() and errors == ["RuntimeError: out of memory"]
    (row,) = output.jobs()
    assert (row.status, row.val_auc, row.best_trial) == (FAILED, 0.51, job.trial_id(1))
    again = begin(job)
    assert again.ledger.todo == [job] and search(again) == [], "its trials stay"
    assert refit(again) == [1]
    assert [row.status for row in output.jobs()] == [COMPLETED] and again.ledger.failed_jobs() == []


def test_a_job_whose_trials_all_failed_closes_as_a_row_that_names_the_first_error(
    begin, search, refit, output, make_job
):
    job = make_job(trials=3)
    sweep = begin(job)
    search(sweep, status=FAILED)
    assert refit(sweep) == [None] and sweep.ledger.is_over()
    (row,) = output.jobs()
    assert (row.status, row.trials, row.failed_trials) == (FAILED, 3, 3)
    assert row.error == "all 3 trials failed, the first with ValueError: no luck in trial 0"
    assert row.test_auc is None and sweep.ledger.failed_jobs() == [row]


def test_failed_and_stopped_trials_do_not_win(begin, search, refit, make_job):
    sweep = begin(make_job(trials=4))
    search(sweep, limit=1, value=lambda index: 0.6)
    search(sweep, limit=1, status=FAILED)
    search(sweep, limit=2, value=lambda index: 0.99, status=PRUNED)
    assert refit(sweep) == [0]


def test_a_refit_waits_for_the_trials_under_way_and_is_handed_out_once(begin, search, make_job, make_trial):
    job = make_job(trials=2)
    sweep = begin(job, parallel_trials=2)
    tasks = [sweep.next_trial(), sweep.next_trial()]
    assert sweep.next_trial() is None and sweep.all_handed_out()
    sweep.record(tasks[1], make_trial(job, 1, [0.5]))
    assert sweep.next_refit() is None
    sweep.record(tasks[0], make_trial(job, 0, [0.6]))
    found, task = sweep.next_refit()
    assert found == job and task.winner.index == 0
    assert sweep.next_refit() is None


def test_one_jobs_refit_does_not_wait_for_another_jobs_search(begin, search, make_job):
    short, long = make_job(trials=1), make_job("cable", trials=6)
    sweep = begin(short, long)
    search(sweep, limit=6)
    assert sweep.next_refit()[0] == short and not sweep.all_handed_out()


def test_out_of_time_no_trial_starts_what_is_there_is_refitted_and_a_later_run_goes_on(
    begin, search, refit, output, make_job
):
    job, untouched = make_job(trials=4), make_job("cable", trials=4)
    search(begin(job), limit=2)
    sweep = begin(job, untouched, time_budget_s=-1)
    assert sweep.next_trial() is None and sweep.all_handed_out()
    assert refit(sweep) == [1]
    assert not sweep.ledger.is_over(), "the other job has nothing yet"
    assert [row.trials for row in output.jobs()] == [2]
    again = begin(job, untouched)
    assert again.ledger.skipped == 0 and sorted(search(again)) == [0, 1, 2, 2, 3, 3]


def test_out_of_time_a_refit_still_waits_for_the_trial_under_way(begin, search, make_job, make_trial):
    job = make_job(trials=4)
    sweep = begin(job)
    search(sweep, limit=1)
    task = sweep.next_trial()
    sweep.deadline = time.monotonic()
    assert sweep.next_refit() is None
    sweep.record(task, make_trial(job, 1, [0.9]))
    assert sweep.next_refit()[1].winner.index == 1


def test_rows_are_on_disk_before_anyone_is_told(begin, search, refit, output, make_job):
    job = make_job(trials=2)
    told = []

    class Ear(Listener):
        def recorded(self, row):
            told.append((row.index, [one.index for one in output.trials()]))

        def changed(self):
            told.append((len(sweep.running[job.id]), len(sweep.ledger.rows[job.id])))

        def closed(self, row):
            told.append((row.job_id, [one.job_id for one in output.jobs()]))

    sweep = begin(job, listener=Ear())
    search(sweep)
    trials = [(1, 0), (0, [0]), (0, 1), (1, 1), (1, [0, 1]), (0, 2)]
    assert told == trials, "begun, recorded and changed, twice"
    refit(sweep)
    assert told[len(trials) :] == [(0, 2), (job.id, [job.id]), (0, 2)], "begun, closed and changed"


def test_the_epochs_of_trials_under_way_are_known(begin, make_job):
    job, told = make_job(trials=2), []

    class Ear(Listener):
        def progressed(self, task, epoch, val_auc):
            told.append((task.index, epoch, val_auc, sweep.running[job.id][task.index].epochs))

    sweep = begin(job, listener=Ear())
    task = sweep.next_trial()
    assert sweep.running[job.id][0].epochs == 0
    sweep.progressed(task, 1, 0.7)
    sweep.progressed(task, 2, 0.6)
    assert told == [(0, 1, 0.7, 1), (0, 2, 0.6, 2)]
    assert sweep.running[job.id][0].val_auc == 0.7, "the best"
    sweep.abandon(task)
    assert sweep.next_trial() == task and sweep.running[job.id][0].epochs == 0, "begun again"


def test_a_refit_that_slept_alone_keeps_its_checkpoint(begin, search, output, make_job, make_job_row):
    job = make_job(trials=1)
    sweep = begin(job)
    search(sweep)
    sweep.next_refit()
    output.delete_folder(*CLAIMS)
    sweep.close(Refitted(make_job_row(job), [], [], {"weights.pt": b"weights"}))
    assert output.read(*checkpoint_folder(job.id), "weights.pt") == b"weights" and len(output.jobs()) == 1


def test_a_jobs_scores_and_pictures_are_there_before_its_row(begin, search, refit, output, make_job):
    """A job's row says that all else is there; whoever is killed in between does the refit again."""
    seen, left = [], lambda: tuple(output.table(kind).num_rows for kind in ("scores", "pictures", "leaderboard"))
    job = make_job(trials=1)
    sweep = begin(job)
    search(sweep)
    write_job = output.write_job
    output.write_job = lambda row: (seen.append(left()), write_job(row))
    refit(sweep)
    assert seen == [(1, 1, 0)] and left() == (1, 1, 1)


def test_other_jobs_rows_in_the_output_are_none_of_its_business(begin, search, refit, make_job):
    other = begin(make_job("cable", trials=1))
    search(other)
    refit(other)
    sweep = begin(make_job(trials=1))
    assert sweep.ledger.job_rows == {} and sweep.ledger.resumed_trials == 0 and sweep.ledger.skipped == 0


# -- out of time


def test_time_is_kept_for_the_refits_of_what_was_found(begin, output, make_job, make_trial):
    """A refit takes its winner's time to its best epoch, after the backend's start; no trial starts that it needs."""
    job = make_job(trials=9)
    sweep = begin(job, time_budget_s=1000.0, refit_start_s=20.0)
    task = sweep.next_trial()
    sweep.record(task, make_trial(job, 0, [0.5, 0.7, 0.6, 0.6], wall_s=400.0))  # best after half of it
    assert not sweep.out_of_time(), "2 x 220 s of 1000 s"
    sweep.deadline -= 500.0
    assert not sweep.out_of_time()
    sweep.deadline -= 100.0
    assert sweep.out_of_time() and sweep.next_trial() is None and sweep.next_refit() is not None


def test_no_epoch_begins_that_would_end_beyond_the_time(begin, make_job, make_trial):
    job = make_job(trials=9)
    sweep = begin(job, time_budget_s=1000.0)
    sweep.record(sweep.next_trial(), make_trial(job, 0, [0.5, 0.5], wall_s=100.0))  # a refit of 50 s
    task = sweep.next_trial()
    sweep.running[job.id][task.index] = UnderWay(time.monotonic() - 60.0, epochs=1, epoch_s=60.0)
    sweep.deadline = time.monotonic() + 2 * 50.0 + 65.0
    assert not sweep.out_of_time()
    sweep.deadline -= 10.0
    assert sweep.out_of_time() and sweep.is_to_end(task)


def test_several_slots_refit_at_once(begin, make_job, make_trial):
    jobs = [make_job(name, trials=9) for name in "abcd"]
    sweep = begin(*jobs, time_budget_s=205.0, slots=4)
    for job in jobs:
        sweep.record(plan.trial_task(job, 0, {}, 1), make_trial(job, 0, [0.5], wall_s=100.0))
    assert not sweep.out_of_time(), "all four at once, and at most as much again"
    assert begin(*jobs, time_budget_s=205.0, slots=1).out_of_time()


def test_a_trial_stopped_by_the_clock_leaves_no_row_and_is_the_next_runs_first(begin, output, make_job):
    job = make_job(trials=3)
    sweep = begin(job)
    sweep.abandon(sweep.next_trial())
    assert output.trials() == [] and not sweep.running[job.id]
    assert begin(job).next_trial().index == 0


# -- several sweeps on one output


def test_a_job_that_another_sweep_holds_is_left_to_it(begin, search, make_job):
    mine, shared = make_job(trials=2), make_job("cable", trials=2)
    first = begin(shared)
    assert search(first, limit=1) == [0]
    second = begin(mine, shared, rival=True)
    assert search(second) == [0, 1], "its own alone"
    assert list(second.elsewhere) == [shared.id] and "another sweep, process" in second.elsewhere[shared.id]
    assert second.all_handed_out() and second.waits_for_others() and not second.ledger.is_over()


def test_what_another_sweep_finished_is_not_done_again(begin, search, refit, make_job, monkeypatch):
    monkeypatch.setattr(sweep_module, "BEAT_S", 0.0)
    job = make_job(trials=2)
    first, second = begin(job), begin(job, rival=True)
    search(first)
    assert search(second) == [] and second.waits_for_others()
    refit(first)
    second.claims.look()
    assert search(second) == [] and refit(second) == []
    assert second.ledger.is_over() and second.ledger.closed_elsewhere == {job.id} and not second.waits_for_others()
    assert second.ledger.job_rows[job.id] == first.ledger.job_rows[job.id]


def test_a_job_that_another_sweep_closed_as_failed_is_searched_again_before_its_refit(begin, search, refit, make_job):
    job = make_job(trials=2)
    first = begin(job)
    search(first, status=FAILED)
    second = begin(job, rival=True)  # its rows are complete, and the job not closed yet
    assert refit(first) == [None]
    assert second.next_refit() is None and search(second) == [0, 1] and refit(second) == [1]


def test_a_dead_sweeps_job_is_taken_over_where_it_stood(begin, search, refit, output, make_job, monkeypatch):
    monkeypatch.setattr(sweep_module, "BEAT_S", 0.0)
    job = make_job(trials=5)
    first, second = begin(job), begin(job, rival=True)
    search(first, limit=3)
    assert search(second) == []
    output.delete("claims", first.claims.name)
    second.claims.look()
    assert search(second) == [3, 4], "the rows of the first are read again"
    assert refit(second) == [4] and second.ledger.closed_elsewhere == set()


def test_a_sweep_that_slept_leaves_the_job_and_its_rows_to_the_one_that_took_it(
    begin, search, output, make_job, make_trial, monkeypatch
):
    monkeypatch.setattr(sweep_module, "BEAT_S", 0.0)
    job = make_job(trials=5)
    first = begin(job)
    assert search(first, limit=1) == [0]
    task = first.next_trial()
    second = begin(job)  # the first one's claim has gone
    assert search(second, limit=2) == [1, 2]
    first.record(task, make_trial(job, 1, [0.9]))  # it wakes up
    assert output.trials()[1].val_auc == 0.51, "the row of the second"
    assert first.is_to_end(task) and not first.running[job.id] and first.next_trial() is None
    assert list(first.elsewhere) == [job.id] and search(second) == [3, 4]


def test_a_sweep_that_slept_writes_nothing_beside_a_job_that_was_closed(
    begin, search, refit, output, make_job, make_trial, make_job_row
):
    job = make_job(trials=2)
    first = begin(job)
    task = first.next_trial()
    second = begin(job)
    search(second)
    refit(second)
    output.write(b"state", "resume", f"{job.trial_id(0)}.pt")
    first.record(task, make_trial(job, 0, [0.9]))
    assert [info.base_name for info in output.files("trials")] == [f"{job.id}.parquet"] and not output.files("resume")
    assert first.ledger.closed_elsewhere == {job.id} and first.next_trial() is None and first.ledger.is_over()


def test_a_refit_that_was_slept_through_overwrites_nothing(begin, search, refit, output, make_job, make_job_row):
    job = make_job(trials=2)
    first = begin(job)
    search(first)
    _, task = first.next_refit()
    second = begin(job)
    refit(second)
    before = output.jobs()
    output.write(b"the second's", *checkpoint_folder(job.id), "weights.pt")
    output.write(b"the first's", *state_file(refit_id(job.id)))
    row = make_job_row(job, 0.1, trials=task.trials, best_trial=task.winner.trial_id)
    first.close(Refitted(row, [], [], {"weights.pt": b"the first's"}))
    assert output.jobs() == before and output.table("scores").num_rows == 1
    assert output.read(*checkpoint_folder(job.id), "weights.pt") == b"the second's"
    assert not output.files(*STATES)
    assert first.ledger.is_over() and first.ledger.closed_elsewhere == {job.id}


def test_a_refit_that_failed_after_a_pause_hides_no_result(begin, search, refit, output, make_job):
    job = make_job(trials=1)
    first = begin(job)
    search(first)
    first.next_refit()
    refit(begin(job))
    first.fail(job, "RuntimeError: out of memory")
    assert [row.status for row in output.jobs()] == [COMPLETED] and first.ledger.failed_jobs() == []


def test_a_sweep_that_slept_alone_goes_on_with_its_trial(begin, search, refit, output, make_job, make_trial):
    job = make_job(trials=2)
    first = begin(job)
    task = first.next_trial()
    output.delete_folder("claims")
    first.claims.look()
    assert not first.claims.mine and not first.is_to_end(task) and first.claims.holds(job.id)
    output.delete_folder("claims")
    first.record(task, make_trial(job, 0, [0.5]))
    assert search(first) == [1] and refit(first) == [1]
    assert [row.index for row in output.trials()] == [0, 1]


def test_an_ended_jobs_trials_lie_in_one_file(begin, search, refit, output, make_job):
    job = make_job(trials=4)
    sweep = begin(job)
    search(sweep)
    assert len(output.files("trials")) == 4
    refit(sweep)
    assert [info.base_name for info in output.files("trials")] == [f"{job.id}.parquet"]
    assert [row.index for row in output.trials()] == [0, 1, 2, 3]


def test_the_state_of_a_trial_goes_when_its_row_comes(begin, output, make_job, make_trial):
    job = make_job(trials=2)
    sweep = begin(job)
    task = sweep.next_trial()
    output.write(b"state", "resume", f"{job.trial_id(0)}.pt")
    sweep.record(task, make_trial(job, 0, [0.5]))
    assert output.files("resume") == []


# -- a race


@pytest.fixture
def rivals(make_job):
    """Two jobs of one category, of 4 trials, 2 of them presets."""
    return [make_job(model=(model,), trials=4, race=True) for model in ("ganomaly", "alad")]


@pytest.fixture
def run_of(make_trial):
    """Runs up to `limit` trials of a race whose second job never gets beyond .6; returns what ran: model and index."""

    def run(sweep: Sweep, limit=100) -> list[tuple[str, int]]:
        ran = []
        while len(ran) < limit and (task := sweep.next_trial()):
            value = 0.95 if task.job.model == "ganomaly" else 0.6
            row = make_trial(task.job, task.index, [value], params=dict(task.params), val_images=42, val_normals=10)
            sweep.record(task, row)
            ran.append((task.job.model, task.index))
        return ran

    return run


PRESETS_OF_BOTH = [("ganomaly", 0), ("ganomaly", 1), ("alad", 0), ("alad", 1)]
REST_OF_THE_LEADER = [("ganomaly", 2), ("ganomaly", 3)]


@pytest.mark.parametrize("killed_after", [None, 0, 1, 3, 4, 5])
def test_who_is_out_gets_its_presets_and_a_row_that_says_why_after_any_kill(
    begin, run_of, refit, output, rivals, killed_after
):
    ran = run_of(begin(*rivals), limit=killed_after) if killed_after is not None else []
    sweep = begin(*rivals)
    assert sorted(ran + run_of(sweep)) == sorted(PRESETS_OF_BOTH + REST_OF_THE_LEADER)
    assert sweep.all_handed_out()
    refit(sweep)
    assert sweep.ledger.is_over() and begin(*rivals).ledger.skipped == 2, "nothing is left for a later run"


def test_a_refit_is_told_why_there_are_no_more_trials(begin, run_of, rivals):
    sweep = begin(*rivals)
    run_of(sweep)
    told = {job.model: task.stopped for job, task in (sweep.next_refit(), sweep.next_refit())}
    assert told["ganomaly"] is None and told["alad"].endswith("is below the leader's 0.950")


def test_nobody_is_refitted_whose_rivals_have_yet_to_try_their_presets(begin, run_of, rivals):
    sweep = begin(*rivals)
    run_of(sweep, limit=2)
    assert sweep.next_refit() is None and not sweep.all_handed_out()


def test_presets_that_another_sweep_tries_are_waited_for_and_then_the_race_goes_on(
    begin, run_of, rivals, monkeypatch
):
    monkeypatch.setattr(sweep_module, "BEAT_S", 0.0)
    leader, slow = rivals
    first = begin(slow)
    run_of(first, limit=1)
    second = begin(leader, slow, rival=True)
    assert run_of(second) == PRESETS_OF_BOTH[:2]
    assert second.all_handed_out() and second.waits_for_others() and second.next_refit() is None
    run_of(first, limit=1)
    assert run_of(second) == REST_OF_THE_LEADER, "though the other sweep holds its job still"
    assert second.next_refit()[0] == leader


def test_more_trials_wake_whoever_was_in_the_race_to_its_end(begin, run_of, refit, make_job, rivals):
    sweep = begin(*rivals)
    run_of(sweep)
    refit(sweep)
    more = [make_job(model=(job.model,), trials=6, race=True) for job in rivals]
    assert run_of(begin(*more)) == [("ganomaly", 4), ("ganomaly", 5)]
    alone = begin(make_job(model=("alad",), trials=4, race=True))
    assert run_of(alone) == [("alad", 2), ("alad", 3)], "asked for without its rival, it has none"
