"""Names and values as plotly and a script element take them, and marks that tell models apart."""

import json

import pytest

from orchestrator.drawings import KNOWN
from orchestrator.report import look


@pytest.mark.parametrize("name", ["<b>x</b>", '<a href="u">x</a>', "a<br>b", "&lt;", "a\nb\u202e", "%{x}"])
def test_plotly_is_given_no_markup(name):
    assert "<" not in look.text(name) and look.text(name).isprintable()


def test_no_text_ends_its_script_element():
    value = {"</script><!--": ["&\u2028", "é", 0.1]}
    assert not set("<>&\u2028") & set(look.json_text(value)) and json.loads(look.json_text(value)) == value


def test_no_two_models_look_alike():
    marks = look.marks([*KNOWN, "x", "y"])
    assert len({(mark["color"], mark["symbol"]) for mark in marks.values()}) == len(KNOWN) + 2
