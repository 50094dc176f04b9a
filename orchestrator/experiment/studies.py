"""Optuna's studies, as the search and the report make them: in memory, of a value to maximise, and without a word."""

import warnings
from typing import Any

import optuna
from optuna.samplers import BaseSampler


def new_study(sampler: type[BaseSampler], **options: Any) -> optuna.Study:
    """An empty study, whose sampler has these options. From here on Optuna says in this process what is wrong, and no
    more."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.create_study(direction="maximize", sampler=sampler(**options))
