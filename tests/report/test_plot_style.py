"""Names and values as plotly and a script element take them, and marks that tell models apart."""

import json

import pytest

from orchestrator.report import plot_style
from orchestrator.report.model_styles import KNOWN


@pytest.mark.parametrize("name", ["<b>x</b>", '<a href="u">x</a>', "a<br>b", "&lt;", "a\nb\u202e", "%{x}"])
def test_plotly_is_given_no_markup(name):
    assert "<" not in plot_style.text(name) and plot_style.text(name).isprintable()


def test_no_text_ends_its_script_element():
    value = {"</script><!--": ["&\u2028", "é", 0.1]}
    assert not set("<>&\u2028") & set(plot_style.json_text(value)) and json.loads(plot_style.json_text(value)) == value


def test_no_two_models_look_alike():
    marks = plot_style.marks([*KNOWN, "x", "y"])
    assert len({(mark["color"], mark["symbol"]) for mark in marks.values()}) == len(KNOWN) + 2
