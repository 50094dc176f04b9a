"""What tells runs of one model apart, in words: the choices, such as epochs, that they differ in. Pure."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from datasets.split import FOLDS

OWN_COLUMNS = ("format", "size_px", "protocol")  # said elsewhere: the ranking has columns for size and protocol
FIXED = "set "  # before the name of a fixed hyper-parameter
PHRASES: dict[str, Callable[[Any], str]] = {
    "fit": str,
    "normal_folder": lambda value: f"good images in {value}" if value else "good images by their folder's usual names",
    "folds": lambda value: f"{value} folds",
    "epochs": lambda value: f"{value} epochs",
    "batch": lambda value: f"batch {value}",
    "steps_per_epoch": lambda value: f"{value} steps an epoch" if value else "every image once an epoch",
    "sampler": lambda value: f"sampler {value}",
    "scheduler": lambda value: "no early stopping" if value == "none" else f"scheduler {value}",
    "parallel_trials": lambda value: f"{value} trials at a time",
    "compile": lambda value: "compiled" if value else "not compiled",
    "workers": lambda value: f"refit on {value}",
    "false_alarms": lambda value: f"{100 * value:.3g} % false alarms" if value else "best F1",
    "warm_start": lambda value: f"warm start from {value}" if value else "cold start",
}


def words(rows: pd.DataFrame) -> dict[str, str]:
    """Value of `settings` -> what it chose that others of these rows did not, such as "20 epochs, lr fixed to 0.001";
    "" where size and protocol alone tell it from the others.

    Those that are still alike, and those that do not tell their choices, are told by when they began.
    """
    firsts = rows.sort_values(["started_at", "settings"]).drop_duplicates("settings").to_dict("records")
    by_settings = {first["settings"]: first for first in firsts}
    chosen = {settings: _chosen(first) for settings, first in by_settings.items()}
    names = dict.fromkeys(name for choices in chosen.values() for name in choices if name not in OWN_COLUMNS)
    varying = [name for name in names if len({str(own.get(name)) for own in chosen.values() if _tells(own, name)}) > 1]
    said = {
        settings: ", ".join(_phrase(name, own.get(name)) for name in varying if _tells(own, name))
        for settings, own in chosen.items()
    }
    shown = {settings: (own["protocol"], own["size_px"], said[settings]) for settings, own in by_settings.items()}
    times, rivals = Counter(shown.values()), Counter(own[:2] for own in shown.values())
    unclear = {name for name, own in shown.items() if times[own] > 1 or (not said[name] and rivals[own[:2]] > 1)}
    return {name: _with_time(text, by_settings[name]) if name in unclear else text for name, text in said.items()}


def _chosen(row: dict) -> dict[str, Any]:
    """Name -> value; of rows that do not tell their choices, the warm start and the usual folds alone."""
    choices = json.loads(row["choices"]) if isinstance(row["choices"], str) else {}
    if row["protocol"] == "crossfit":
        choices.setdefault("folds", FOLDS)
    fixed = dict(text.split("=", 1) for text in choices.pop("set", []))
    warm_start = row["warm_start"] if isinstance(row["warm_start"], str) else None
    return {**choices, "warm_start": warm_start, **{FIXED + name: value for name, value in fixed.items()}}


def _tells(choices: dict[str, Any], name: str) -> bool:
    """Whether a row tells this choice. What it does not name was not set, if it tells its choices at all; folds are of
    one protocol, which names them."""
    return name in choices or ("format" in choices and name != "folds")


def _phrase(name: str, value: Any) -> str:
    if name.startswith(FIXED):
        parameter = name.removeprefix(FIXED)
        return f"{parameter} searched" if value is None else f"{parameter} fixed to {value}"
    return PHRASES.get(name, lambda value: f"{name} {value}")(value)


def _with_time(text: str, row: dict) -> str:
    began = row["started_at"]
    told = f"begun {began[:19].replace('T', ' ')}" if isinstance(began, str) else f"settings {row['settings']}"
    return f"{text}, {told}" if text else told
