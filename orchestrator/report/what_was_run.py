"""What was run, in words: descriptions, versions, hashes, times, and what could not be read."""

import json
from typing import Any

import pandas as pd

from orchestrator.ranking import choices
from orchestrator.report.tables import Tables
from orchestrator.results.output import Output

JOB = ["contest", "model", "seed", "config_hash"]
HASHES = ["dataset", "category", "seed", "data_hash", "split_hash"]


def of(output: Output, found: Tables) -> dict[str, Any]:
    """Experiments, circumstances, software and hashes of all rows, each value once."""
    both = pd.concat([found.jobs, found.trials]).astype({"unreadable_images": "Int64"})
    return {
        "experiments": {name: _description(output, name) for name in sorted(set(both.experiment))},
        "circumstances": {
            "protocol": _values(both, "protocol"),
            "chosen on": _values(both, "selection_split"),
            "seeds": _values(both, "seed"),
            "image size": [f"{size} px" for size in _values(both, "size_px")],
            "devices": _values(both, "device"),
            "PyTorch": _values(both, "torch_version"),
            "Ray": _values(both, "ray_version"),
            "git commit": _values(both, "git_commit"),
            "settings": sorted(filter(None, choices.words(both).values())),
            "started": _values(both, "started_at")[:1],
            "finished": _values(both, "finished_at")[-1:],
            "rows": [f"{len(found.jobs)} jobs", f"{len(found.trials)} trials", f"{len(found.scores)} scores"],
            "unreadable images left out, by category": _values(both, "unreadable_images"),
        },
        "hashes": both[HASHES].dropna().drop_duplicates().sort_values(HASHES),
        "config_hashes": both[JOB].drop_duplicates().sort_values(JOB),
        "skipped": output.skipped,
    }


def _description(output: Output, experiment: str) -> dict[str, str]:
    """The note that a run has left of itself; empty where there is none, or none that can be read."""
    try:
        note = output.read_note(experiment)
    except (ValueError, OSError):
        return {}
    described = note.items() if isinstance(note, dict) else ()
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in described}


def _values(rows: pd.DataFrame, name: str) -> list[str]:
    return [str(value) for value in sorted(set(rows[name].dropna()))]
