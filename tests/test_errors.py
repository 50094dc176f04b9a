"""A wrong word: the user learns what was found, what is nearest, and what there is, in one line; and what a line is."""

import pytest

from orchestrator.errors import InputError, choice
from orchestrator.words import printable


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


@pytest.mark.parametrize("text", ["metal_nut", "größe 名前 ブ", "a|b\\c $x$ <b> 😀", ""])
def test_what_is_visible_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x9b2J\x7f\0", r"a\x1b[31mb\x9b2J\x7f\x00"),
        ("a\r\nb\tc\x0bd\x85e\u2028f\u2029g", r"a\r\nb\tc\x0bd\x85e\u2028f\u2029g"),
        ("a\u202eb\u2066c\u200fd\u200be\ufefff", r"a\u202eb\u2066c\u200fd\u200be\ufefff"),
        ("a\udcffb\U000e0041", r"a\udcffb\U000e0041"),
    ],
    ids=["commands", "ends of lines", "marks that are not seen", "no letters"],
)
def test_what_is_not_visible_is_escaped_and_that_once(text, shown):
    assert printable(text) == shown == printable(shown)
