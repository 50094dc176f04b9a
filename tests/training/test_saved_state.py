"""A saved state: it comes back as it was, or not at all; it is saved neither too seldom nor too often."""

import os

import pytest
import torch

from orchestrator.results.storage import Storage
from orchestrator.training import saved_state
from orchestrator.training.saved_state import SavedState

CPU = torch.device("cpu")


class Clock:
    """A clock that the test sets: what is tested is when a state is saved, not how long that takes here."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(saved_state, "time", clock)
    return clock


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(str(tmp_path))


def saves(saved: SavedState, clock: Clock, epochs: int, epoch_s: float, cost_s: float = 0.0) -> list[float]:
    """Trains so many epochs, each of which offers its state; returns when the saves were over."""
    found = []

    def state() -> dict:
        clock.now += cost_s
        found.append(clock.now)
        return {}

    for _ in range(epochs):
        clock.now += epoch_s
        saved.offer(state)
    return found


def test_tensors_and_plain_types_come_back(storage):
    state = {"weights": torch.arange(6.0).view(2, 3), "curve": [None, 0.5], "losses": {"rec": 0.1}, "note": None}
    SavedState(storage, "t", {"lr": 0.1}, 60.0).save(lambda: state)
    back = SavedState(storage, "t", {"lr": 0.1}, 60.0).load(CPU)
    assert torch.equal(back.pop("weights"), state.pop("weights")) and back == state


def test_without_a_file_there_is_none_and_clearing_is_no_fault(storage):
    saved = SavedState(storage, "t", {}, 60.0)
    assert saved.load(CPU) is None
    saved.clear()


def test_a_cleared_state_is_gone(storage):
    saved = SavedState(storage, "t", {}, 60.0)
    saved.save(dict)
    saved.clear()
    assert saved.load(CPU) is None and storage.files() == []


def test_the_state_of_other_parameters_is_not_taken(storage):
    SavedState(storage, "t", {"lr": 0.1}, 60.0).save(dict)
    assert SavedState(storage, "t", {"lr": 0.2}, 60.0).load(CPU) is None


def test_a_torn_or_foreign_file_is_worth_no_more_than_none(storage):
    saved = SavedState(storage, "t", {}, 60.0)
    saved.save(lambda: {"weights": torch.zeros(1000)})
    whole = storage.read("resume", "t.pt")
    for content in (whole[: len(whole) // 2], b"", b"not a state", whole[100:]):
        storage.write(content, "resume", "t.pt")
        assert saved.load(CPU) is None


def test_a_file_that_would_run_code_is_not_loaded(storage, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    (tmp_path / "resume").mkdir()
    torch.save({"identity": {}, "state": Trap()}, tmp_path / "resume" / "t.pt")
    assert SavedState(storage, "t", {}, 60.0).load(CPU) is None
    assert not (tmp_path / "trapped").exists()


def test_a_short_run_is_never_saved(storage, clock):
    assert saves(SavedState(storage, "t", {}, 300.0), clock, epochs=20, epoch_s=10.0) == []


def test_no_more_is_lost_than_asked_for(storage, clock):
    found = saves(SavedState(storage, "t", {}, 60.0), clock, epochs=50, epoch_s=7.0)
    gaps = [later - earlier for earlier, later in zip([0.0, *found], found, strict=False)]
    assert found and all(53 < gap <= 60 for gap in gaps)


def test_epochs_longer_than_that_are_saved_one_by_one(storage, clock):
    assert saves(SavedState(storage, "t", {}, 60.0), clock, epochs=3, epoch_s=100.0) == [100.0, 200.0, 300.0]


def test_saving_takes_at_most_two_percent_of_the_time_on_a_slow_storage_too(storage, clock):
    found = saves(SavedState(storage, "t", {}, 60.0), clock, epochs=2000, epoch_s=10.0, cost_s=30.0)
    assert len(found) > 5
    assert 30.0 * (len(found) - 1) <= 0.02 * (found[-1] - found[0]) * 1.01


def test_a_storage_that_takes_nothing_costs_the_safety_and_not_the_training(tmp_path):
    (tmp_path / "resume").write_text("a file where the folder should be")
    saved = SavedState(Storage(str(tmp_path)), "t", {}, 0.0)
    saved.save(dict)
