"""Work on slots: a schedule that is played to its end lies between the bounds."""

import pytest

from orchestrator.estimate.schedule import Place, Work, at_least_s, at_most_s, played_s


def test_a_refit_waits_for_its_jobs_trials_and_these_for_one_another():
    work = Work(trials=5, trial_s=2.0, refit_s=3.0, trial_pixels=1.0)
    assert (work.search_s(parallel_trials=1), work.search_s(parallel_trials=2)) == (10.0, 6.0)
    assert work.chain_s(parallel_trials=2) == 9.0 == played_s([work], Place(100, parallel_trials=2))


def test_nothing_takes_no_time():
    assert played_s([], Place(1)) == at_most_s([], 1) == at_least_s(0.0, 0.0, 1) == 0.0


def test_the_job_with_most_work_left_goes_first():
    short, long = Work(1, 1.0, 1.0, trial_pixels=1.0), Work(3, 1.0, 1.0, trial_pixels=1.0)
    assert played_s([short, short, long], Place(2)) == 4.0


def test_a_model_that_takes_no_step_goes_before_any_work_as_it_does_in_the_plan():
    control = Work(1, 1.0, 5.0, trial_pixels=1.0, takes_steps=False)
    trained = Work(2, 2.0, 1.0, trial_pixels=9.0)
    assert played_s([trained, trained, control], Place(2)) == 9.0, "10 if it waited for the others' trials"


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
def test_pieces_of_work_take_no_more_than_their_bound_and_no_less_than_the_other(slots):
    lengths = [5.0, 1.0, 3.0, 3.0, 2.0, 7.0]
    played = played_s([Work(0, 0.0, length, trial_pixels=1.0) for length in lengths], Place(slots))
    assert at_least_s(sum(lengths), max(lengths), slots) <= played <= at_most_s(lengths, slots)
