"""Memory is held in turns: never more than there is, and nobody waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from datasets import decoding, picture
from datasets.memory import Budget, memory_bytes


def test_no_more_is_held_at_a_time_than_there_is():
    budget, seen, lock = Budget(100), [], threading.Lock()

    def work(size: int) -> None:
        with budget.holding(size), lock:
            seen.append(budget.held_bytes)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [30, 60, 90, 10, 250] * 20))
    assert len(seen) == 100 and max(seen) <= 100 and budget.held_bytes == 0


def test_what_is_held_is_given_back_when_the_work_fails():
    budget = Budget(10)
    with pytest.raises(ValueError), budget.holding(10):
        raise ValueError
    assert budget.held_bytes == 0


@pytest.mark.parametrize(("text", "expected"), [("1048576\n", 1 << 20), ("max\n", None), (None, None)])
def test_the_limit_of_a_container_counts_where_there_is_one(tmp_path, text, expected):
    file = tmp_path / "memory.max"
    if text is not None:
        file.write_text(text)
    machine = memory_bytes(())
    assert memory_bytes((str(file),)) == (expected or machine)


def test_large_pictures_are_decoded_one_after_the_other_and_small_ones_together(tmp_path, monkeypatch):
    """The header says how large a picture is before it is decoded."""
    held = []

    class Noting(Budget):
        def holding(self, size_bytes):
            held.append(size_bytes)
            return super().holding(size_bytes)

    monkeypatch.setattr(decoding, "BUDGET", Noting(1 << 30))
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(tmp_path / "a.png")
    picture.read_pixels(tmp_path / "a.png")
    assert held == [30 * 50 * decoding.PIXEL_BYTES]
