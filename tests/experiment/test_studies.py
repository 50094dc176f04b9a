"""Optuna in this project says nothing but what is wrong."""

import warnings

import optuna

from orchestrator.experiment.studies import new_study


def test_a_study_is_made_and_asked_without_a_word(capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = new_study(optuna.samplers.TPESampler, seed=0, multivariate=True)
        study.ask({"lr": optuna.distributions.FloatDistribution(0.0, 1.0)})
    assert capfd.readouterr() == ("", "")
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
