"""How a model is drawn everywhere, in the paper's figures and in the report: the same colour and marker."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """How a model is drawn everywhere: a colour (#rrggbb) and a matplotlib marker."""

    colour: str
    marker: str


KNOWN = {  # Paul Tol's "muted", safe for the colour-blind, and gold for ours on features; grey for the controls
    "patch_forged": Style("#ddaa33", "p"),
    "patch_gaussian": Style("#444444", "d"),
    "padim": Style("#88ccee", "<"),
    "patchcore": Style("#004488", ">"),
    "sa_skip_ganomaly": Style("#332288", "o"),
    "skip_ganomaly": Style("#cc6677", "s"),
    "ganomaly": Style("#44aa99", "D"),
    "anogan": Style("#999933", "^"),
    "f_anogan": Style("#117733", "v"),
    "egbad": Style("#66b8e0", "P"),
    "alad": Style("#aa4499", "X"),
    "sagan": Style("#882255", "*"),
    "mean_image": Style("#777777", "h"),
}
OTHERS = ("#bb5566", "#000000", "#6699aa")


def styles(models: Sequence[str]) -> dict[str, Style]:
    """Of the models known here and of any others, in a fixed order."""
    others = sorted(set(models) - set(KNOWN))
    return KNOWN | {name: Style(OTHERS[i % len(OTHERS)], "<>pd8H"[i % 6]) for i, name in enumerate(others)}
