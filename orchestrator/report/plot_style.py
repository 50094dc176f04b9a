"""How plots look: colours and marks of models and statuses, and text that plotly shows as it is written.

A figure is {"data", "layout", "height", "says"}: plotly's own two parts without a theme (page.js adds that of the
reader's colour scheme), its height in pixels, and what it shows in words.
"""

import html
import json
import math
from collections.abc import Iterable, Sequence

from orchestrator.report.model_styles import styles
from orchestrator.words import printable

LONGEST_NAME = 34
SYMBOLS = {  # matplotlib's markers, plotly's names
    "o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down", "P": "cross", "X": "x",
    "*": "star", "h": "hexagon", "<": "triangle-left", ">": "triangle-right", "p": "pentagon", "d": "diamond-tall",
    "8": "octagon", "H": "hexagon2",
}  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
GOOD, DEFECT, FAINT, INK = "#3b7ea1", "#c8452d", "#777778", "#1b1f24"
SHADES = ("#c9d3df", "#a3b9d6", "#6f94c4", "#3f6cab", "#1c3f7f")  # low to high
DARKER = {  # colour on white -> on black
    GOOD: "#6db8de", DEFECT: "#ff8566", FAINT: "#9aa3ad", INK: "#e6e9ed",
    "#332288": "#a79bf5", "#117733": "#4fc27a", "#882255": "#e070a8", "#aa4499": "#e08ad2", "#777777": "#b4b4b4",
    "#999933": "#c8c85a", "#004488": "#6ea8e8", "#bb5566": "#e88a98", "#000000": "#e6e9ed",
    **dict(zip(SHADES, ("#39424d", "#48648a", "#5b8bc9", "#86b4ee", "#d2e6ff"), strict=True)),
}  # fmt: skip


def figure(data: list[dict], layout: dict, height: int, says: str) -> dict:
    """What the page draws with plotly, `height` pixels high; `says` is its text for who cannot see it."""
    return {"data": data, "layout": layout, "height": height, "says": says}


def text(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as plotly shows it sign by sign, in one line: in its labels, markup would be obeyed."""
    name = printable(str(name))
    return html.escape(name if len(name) <= longest else name[: longest - 1] + "…", quote=False)


def marks(models: Sequence[str]) -> dict[str, dict]:
    """Of each model, in a fixed order: its colour, symbol and dash."""
    ordered = [name for name in styles(models) if name in models]
    return {
        name: {
            "color": styles(models)[name].colour,
            "symbol": SYMBOLS[styles(models)[name].marker],
            "dash": DASHES[i % len(DASHES)],
        }
        for i, name in enumerate(ordered)
    }


def axis(title: str, **options) -> dict:
    """An axis with its title, and plotly's own options."""
    return {"title": {"text": title}, **options}


def legend_rows(names: Iterable[str], width_px: int = 330) -> int:
    """How many rows a legend takes on a phone: plotly draws all entries as wide as the widest."""
    names = list(names)
    widest = max((len(html.unescape(name)) for name in names), default=0) * 7 + 50
    return math.ceil(len(names) / max(1, width_px // widest))


def json_text(value) -> str:
    """JSON that a script element can hold: no sign in it ends the element."""
    escaped = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    return escaped
