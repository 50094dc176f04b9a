"""How long one picture takes: by itself, on one thread, and not where scoring is a search."""

from types import SimpleNamespace

import pytest
import torch

from orchestrator.training import scoring
from orchestrator.training.scoring import WARM_UP, latency_ms


class Slept:
    """Judges by a number and notes what it was shown."""

    optimises_to_score = False

    def __init__(self):
        self.shown = []

    def score(self, images: torch.Tensor):
        self.shown.append((tuple(images.shape), torch.get_num_threads(), float(images.mean())))
        return images.mean(dim=(1, 2, 3)), images[:, 0]


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 8, 6, 3) * 60


def test_pictures_are_judged_one_at_a_time_on_one_thread_in_turn(pixels, monkeypatch):
    monkeypatch.setattr(scoring, "TIMED", 9)
    detector, threads = Slept(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        median, most = latency_ms(detector, pixels)
        assert torch.get_num_threads() == 2, "as before"
    finally:
        torch.set_num_threads(threads)
    assert 0 < median <= most
    shapes, used, means = zip(*detector.shown[WARM_UP:], strict=True)
    assert len(shapes) == 9 and set(shapes) == {(1, 3, 8, 6)} and set(used) == {1}
    assert len(set(means)) == 4 and means[:4] == means[4:8]


def test_a_detector_that_searches_has_no_such_time(pixels):
    assert latency_ms(SimpleNamespace(optimises_to_score=True), pixels) is None
