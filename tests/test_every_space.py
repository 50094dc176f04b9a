"""Every model has a search space over its own hyper-parameters, and presets that lie inside it."""

import dataclasses

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from model.catalog import KNOWN, MODELS, TRAINING_FREE
from search_spaces.catalog import PRESETS, SPACES

TRAINED = [name for name in MODELS if name not in TRAINING_FREE]
U_NET_GANS = ("sa_skip_ganomaly", "skip_ganomaly", "sagan")
SCALES = {"lr", "encoder_lr", "latent_lr", "w_adv", "w_con", "w_lat", "kappa"}  # what is searched over decades


def ends(distribution) -> tuple:
    """The values that a space must be valid at: of a range its ends, and all of the choices."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    return distribution.low, distribution.high


def holds(distribution, value) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return distribution.low <= value <= distribution.high


def test_models_and_spaces_have_the_same_names():
    assert set(SPACES) == set(PRESETS) == set(KNOWN)


@pytest.mark.parametrize("name", MODELS)
def test_a_space_names_fields_of_the_hparams(name):
    fields = {field.name for field in dataclasses.fields(MODELS[name].HParams)}
    assert set(SPACES[name]) <= fields


@pytest.mark.parametrize("name", MODELS)
def test_each_preset_covers_the_space_and_lies_inside_it(name):
    assert PRESETS[name]
    for preset in PRESETS[name].values():
        assert set(preset) == set(SPACES[name])
        assert all(holds(SPACES[name][key], value) for key, value in preset.items())


@pytest.mark.parametrize("name", MODELS)
def test_the_corners_of_a_space_and_its_presets_are_valid_hparams(name):
    hparams = MODELS[name].HParams
    choices = {key: its for key, its in SPACES[name].items() if isinstance(its, CategoricalDistribution)}
    for corner in (0, -1):
        at_corner = {key: ends(distribution)[corner] for key, distribution in SPACES[name].items()}
        hparams(**at_corner)
        for key, distribution in choices.items():
            for choice in distribution.choices:
                hparams(**{**at_corner, key: choice})
    for preset in PRESETS[name].values():
        hparams(**preset)


@pytest.mark.parametrize("name", MODELS)
def test_the_first_preset_is_the_models_default(name):
    first = next(iter(PRESETS[name].values()))
    default = MODELS[name].HParams()
    assert {key: getattr(default, key) for key in first} == first


@pytest.mark.parametrize("name", TRAINED)
def test_learning_rates_and_loss_weights_are_searched_on_log_scales(name):
    assert "lr" in SPACES[name]
    for key in SCALES & SPACES[name].keys():
        distribution = SPACES[name][key]
        assert isinstance(distribution, FloatDistribution) and distribution.log


@pytest.mark.parametrize("name", TRAINED)
def test_a_models_own_settings_are_named_after_it_or_after_the_paper(name):
    assert next(iter(PRESETS[name])) in (name, "paper")


def test_the_three_u_net_gans_are_searched_equally_but_for_scores_that_the_papers_model_alone_has():
    """The paper's model can be trained on forged defects; its ranges are those of the other two all the same."""
    own, skip_ganomaly, sagan = (dict(SPACES[name]) for name in U_NET_GANS)
    assert skip_ganomaly == sagan
    scores = own.pop("score").choices, skip_ganomaly.pop("score").choices
    assert own == skip_ganomaly
    assert scores == (("paper", "calibrated", "restored", "mask", "both"), ("paper", "calibrated"))


@pytest.mark.parametrize("name", U_NET_GANS)
def test_every_score_that_a_u_net_gan_has_can_be_searched(name):
    assert SPACES[name]["score"].choices == MODELS[name].HParams.SCORES


def test_presets_are_tried_in_the_stated_order():
    assert list(PRESETS["sa_skip_ganomaly"]) == [
        "paper", "calibrated", "restoring", "forged_mask", "skip_ganomaly", "pixel_score"]
    assert list(PRESETS["skip_ganomaly"]) == ["skip_ganomaly", "calibrated", "paper", "pixel_score"]
    assert PRESETS["mean_image"] == {"default": {}}
