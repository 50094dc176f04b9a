"""How long the rest takes, learnt from what has ended: checked against schedules that are played to their end."""

import heapq
import itertools
from collections import defaultdict

import pytest

from orchestrator.estimate.schedule import Place
from orchestrator.estimate.time_left import JobState, UnderWay, left_s, refits_s
from orchestrator.experiment.job import Category

A, B = "sa_skip_ganomaly", "ganomaly"
LENGTHS = (1, 3, 1, 10, 3, 1, 1, 10, 3)  # epochs of trials that the search chose: halved successively
IMAGE_S = {A: 0.01, B: 0.002}  # of the made-up models, each passed image


@pytest.fixture
def job(make_job):
    """A job of 10 epochs on a category of so many training images."""

    def make(name: str = "bottle", model: str = A, train_images: int = 200, trials: int = 24):
        category = Category("mvtec_ad", name, "/data", train_images + 80, train_images, "f" * 64)
        return make_job(category, model=(model,), trials=trials, epochs=10)

    return make


@pytest.fixture
def finished(make_trial):
    """A trial's row after `epochs` of its 10, the best of them the `best_epoch`-th."""

    def make(job, index: int, wall_s: float, epochs: int = 10, best_epoch: int = 10, preset: str | None = None):
        curve = [0.9 if epoch == best_epoch else 0.5 for epoch in range(1, epochs + 1)]
        status = "completed" if epochs == 10 else "pruned"
        return make_trial(job, index, curve, wall_s=wall_s, status=status, preset=preset)

    return make


# -- what is known of a trial under way


def test_an_epochs_length_is_taken_from_the_second_one_on_where_there_is_one():
    one = UnderWay(began=100.0)
    first = one.after(1, 0.5, 130.0)
    assert (first.epochs, first.epoch_s) == (1, 30.0), "its start counts, while nothing better is known"
    assert first.after(2, 0.6, 140.0).after(3, 0.4, 152.0).epoch_s == 11.0
    assert first.after(2, None, 140.0).val_auc == 0.5


def test_a_trial_that_goes_on_from_its_saved_state_is_timed_by_what_it_trains_now():
    assert UnderWay(began=0.0).after(7, 0.5, 20.0).after(8, 0.5, 30.0).epoch_s == 10.0


def test_a_trial_that_starts_over_is_timed_anew():
    one = UnderWay(began=0.0).after(1, 0.5, 20.0).after(2, 0.5, 30.0)
    over = one.after(1, 0.5, 100.0)
    assert (over.epochs, over.epoch_s) == (1, 10.0)
    assert over.after(2, 0.5, 104.0).epoch_s == 4.0


# -- what is left


def test_nothing_is_known_before_the_first_epoch_has_ended(job):
    assert left_s([JobState(job(), [], [UnderWay(0.0)], unstarted=3, refits=1)], Place(1)) is None
    assert left_s([], Place(1)) is None


def test_the_first_epoch_is_enough_to_begin(job):
    one = UnderWay(0.0).after(1, 0.5, 10.0)
    assert left_s([JobState(job(), [], [one], unstarted=3, refits=1)], Place(1)) == 90 + 3 * 100 + 100


def test_the_mean_of_a_models_trials_counts_those_that_were_stopped(job, finished):
    rows = [finished(job(), 0, 100.0), finished(job(), 1, 20.0, epochs=2)]
    assert left_s([JobState(job(), rows, unstarted=2)], Place(1)) == pytest.approx(2 * 60)


def test_a_category_of_more_images_takes_longer_in_proportion(job, finished):
    done = JobState(job("bottle", train_images=200), [finished(job("bottle"), 0, 100.0)])
    assert left_s([done, JobState(job("cable", train_images=300), [], unstarted=1)], Place(1)) == pytest.approx(150)


def test_each_model_has_its_own_pace_and_one_without_trials_that_of_all_of_its_kind(job, finished):
    fast, slow = job(model=B), job(model=A)
    known = [JobState(fast, [finished(fast, 0, 10.0)], unstarted=1), JobState(slow, [finished(slow, 0, 90.0)])]
    assert left_s(known, Place(1)) == pytest.approx(10)
    assert left_s([*known, JobState(job(model="sagan"), [], unstarted=1)], Place(1)) == pytest.approx(10 + 50)


def test_models_that_take_no_training_say_nothing_of_how_long_training_takes(job, finished):
    control = job(model="mean_image")
    known = [JobState(control, [finished(control, 0, 0.1)], unstarted=1)]
    assert left_s([*known, JobState(job(), [], unstarted=1)], Place(1)) is None
    assert left_s([*known, JobState(job(), [], [UnderWay(0.0).after(1, 0.5, 10.0)])], Place(1)) == pytest.approx(90.1)
    assert left_s([*known, JobState(job(), [])], Place(1)) == pytest.approx(0.1), "which nothing is left of"


def test_a_refit_takes_its_winner_up_to_the_best_epoch_after_its_start_less_what_it_has_had(job, finished):
    rows = [finished(job(), 0, 100.0, best_epoch=3)]
    place = Place(1, refit_start_s=20.0)
    assert left_s([JobState(job(), rows, refits=1)], place) == pytest.approx(50)
    assert left_s([JobState(job(), rows, refits=1, refitting_s=35.0)], place) == pytest.approx(15)
    assert left_s([JobState(job(), rows, refits=1, refitting_s=99.0)], place) == 0.0


def test_the_refits_of_several_winners_share_the_slots(job, finished):
    winners = [finished(job(), 0, 100.0, best_epoch=3), finished(job("cable"), 0, 50.0)]
    assert refits_s(winners, Place(1, refit_start_s=20.0)) == 70 + (50 + 70), "the longest twice, at most"
    assert refits_s(winners, Place(2)) == 50 + (30 + 50) / 2
    assert refits_s([], Place(1)) == 0.0


def test_slots_share_the_work_but_one_jobs_trials_wait_for_one_another(job, finished):
    jobs = [job(name) for name in "abcd"]
    states = [JobState(one, [finished(one, 0, 10.0)], unstarted=4) for one in jobs]
    assert left_s(states, Place(2)) == pytest.approx(80)
    assert left_s(states, Place(40)) == pytest.approx(40), "one after the other"
    assert left_s(states, Place(40, 2)) == pytest.approx(20)
    assert left_s(states, Place(40, 40)) == pytest.approx(10), "none is shorter than one trial"


def test_all_done_is_nothing_left(job, finished):
    assert left_s([JobState(job(), [finished(job(), 0, 100.0)])], Place(1)) == 0.0


# -- against the truth


class Replay:
    """Jobs of two models on some slots, played by the sweep's rules: the job with the longest work left goes first, a
    job's trials run `parallel` at a time, its refit follows them."""

    def __init__(self, jobs, slots: int, parallel: int, finished):
        self.jobs, self.slots, self.parallel, self.finished = jobs, slots, parallel, finished
        self.begun = defaultdict(dict)  # job id -> index -> (start, wall_s, epochs)
        self.refits = {}  # job id -> (start, wall_s)
        self.end = self.play()

    def play(self) -> float:
        ends, now, free = [], 0.0, self.slots
        order = itertools.count()
        while True:
            while free and (job := self.next_job(now)):
                free -= 1
                heapq.heappush(ends, (self.start(job, now), next(order)))
            if not ends:
                return now
            now, _ = heapq.heappop(ends)
            free += 1

    def next_job(self, now: float):
        ready = []
        for job in self.jobs:
            begun = self.begun[job.id].values()
            busy = sum(start + wall_s > now for start, wall_s, _ in begun)
            left = job.trials - len(begun)
            if (left and busy < self.parallel) or (not left and not busy and job.id not in self.refits):
                ready.append((left > 0, -left * job.trial_cost(), job.id, job))
        return min(ready)[-1] if ready else None

    def start(self, job, now: float) -> float:
        index = len(self.begun[job.id])
        if index == job.trials:
            wall_s = job.trial_cost() * IMAGE_S[job.model] / 2
            self.refits[job.id] = (now, wall_s)
            return now + wall_s
        epochs = 10 if index < len(job.presets) else LENGTHS[(index + self.jobs.index(job)) % len(LENGTHS)]
        wall_s = job.trial_cost() * IMAGE_S[job.model] * epochs / 10
        self.begun[job.id][index] = (now, wall_s, epochs)
        return now + wall_s

    def states(self, now: float) -> list[JobState]:
        """What a sweep would know at that time."""
        found = []
        for job in self.jobs:
            rows, running = [], []
            for index, (start, wall_s, epochs) in self.begun[job.id].items():
                epoch_s = job.trial_cost() * IMAGE_S[job.model] / 10
                if start + wall_s <= now:
                    preset = "paper" if index < len(job.presets) else None
                    best_epoch = 5 if epochs == 10 else epochs
                    rows.append(self.finished(job, index, wall_s, epochs, best_epoch, preset))
                elif start <= now:
                    one, done = UnderWay(start), int((now - start) / epoch_s)
                    for epoch in range(1, done + 1):
                        one = one.after(epoch, 0.5, start + epoch * epoch_s)
                    running.append(one)
            unstarted = job.trials - len(rows) - len(running)
            begun, refit_s = self.refits[job.id]
            is_open = begun + refit_s > now
            found.append(JobState(job, rows, running, unstarted, int(is_open), max(0.0, now - begun)))
        return found


@pytest.mark.parametrize(("slots", "parallel"), [(1, 1), (2, 1), (40, 1), (40, 4), (40, 7)])
def test_the_estimate_is_near_the_truth_of_a_schedule_played_to_its_end(job, finished, slots, parallel):
    jobs = [job(name, model, images) for name, images in (("a", 100), ("b", 200), ("c", 400)) for model in (A, B)]
    played = Replay(jobs, slots, parallel, finished)
    now = played.end / 2
    assert left_s(played.states(now), Place(slots, parallel)) == pytest.approx(played.end - now, rel=0.2)
