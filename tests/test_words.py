"""Numbers and times read at a glance."""

import pytest

from orchestrator.words import count, duration


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (count(1, "job"), "1 job"),
        (count(0, "job"), "0 jobs"),
        (count(12345, "image"), "12,345 images"),
        (count(1, "category", "categories"), "1 category"),
        (count(2, "category", "categories"), "2 categories"),
    ],
)
def test_a_count_agrees_with_its_noun(found, text):
    assert found == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"), (7380, "2 h 03 min")],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text
