"""`--protocol auto`: holdout where there are labelled pictures enough to choose by and to test on, else synthetic.

Decided by what a scan finds, before any job is made; from then on the run is one of the protocol that was decided on.
A run has one protocol: what all of its categories can do.
"""

import dataclasses
from collections.abc import Sequence

from orchestrator.experiment.config import AUTO, Experiment
from orchestrator.experiment.job import Category

LEAST = 10  # pictures of a kind, beside those that train: five that choose, five that are tested


def resolved(experiment: Experiment, categories: Sequence[Category]) -> tuple[Experiment, str]:
    """The experiment with the protocol that is meant, and the reason in one line; itself and "" where it names one."""
    if experiment.protocol != AUTO:
        return experiment, ""
    short = [(category, kind, number) for category in categories for kind, number in _short(category)]
    if not short:
        reason = f"holdout, as there are {LEAST} or more good and defective pictures to choose by and to test on"
        return dataclasses.replace(experiment, protocol="holdout"), f"protocol {AUTO}: {reason}"
    category, kind, number = min(short, key=lambda one: one[2])
    reason = (
        f"synthetic, as {category.name} has {number} {kind} pictures beside those that train, and holdout, which "
        f"halves them to choose by and to test on, wants {LEAST}"
    )
    return dataclasses.replace(experiment, protocol="synthetic"), f"protocol {AUTO}: {reason}"


def _short(category: Category) -> list[tuple[str, int]]:
    """The kinds of pictures that a category has too few of, and how many."""
    return [(kind, number) for kind, number in zip(("good", "defective"), category.labelled, strict=True)
            if number < LEAST]  # fmt: skip
