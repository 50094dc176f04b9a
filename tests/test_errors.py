"""A wrong word: the user learns what was found, what is nearest, and what there is, in one line."""

import pytest

from orchestrator.errors import InputError, choice


def test_a_known_word_is_returned():
    assert choice("model", "mean_image", ["mean_image", "sagan"]) == "mean_image"


def test_a_typo_names_the_nearest_and_all_that_there_are():
    with pytest.raises(InputError) as caught:
        choice("model", "mean_imgae", ["mean_image", "skip_ganomaly"])
    expected = "model 'mean_imgae' does not exist. Did you mean 'mean_image'? There are: mean_image, skip_ganomaly."
    assert str(caught.value) == expected


def test_nothing_is_guessed_where_nothing_is_near_and_the_line_stays_one():
    with pytest.raises(InputError) as caught:
        choice("category", "zz\nzz", ["bottle"])
    assert str(caught.value) == "category 'zz\\nzz' does not exist. There are: bottle."
