"""Every model has a search space over its own hyper-parameters, and presets that lie inside it."""

import dataclasses

import pytest
from optuna.distributions import FloatDistribution

from model.catalog import MODELS, TRAINING_FREE
from search_spaces.catalog import PRESETS, SPACES

TRAINED = [name for name in MODELS if name not in TRAINING_FREE]
SCALES = {"lr", "encoder_lr", "latent_lr", "w_adv", "w_con", "w_lat", "kappa"}  # what is searched over decades


def test_models_and_spaces_have_the_same_names():
    assert set(SPACES) == set(PRESETS) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_space_names_fields_of_the_hparams(name):
    fields = {field.name for field in dataclasses.fields(MODELS[name].HParams)}
    assert set(SPACES[name]) <= fields


@pytest.mark.parametrize("name", MODELS)
def test_each_preset_covers_the_space_and_lies_inside_it(name):
    assert PRESETS[name]
    for preset in PRESETS[name].values():
        assert set(preset) == set(SPACES[name])
        assert all(SPACES[name][key].low <= value <= SPACES[name][key].high for key, value in preset.items())


@pytest.mark.parametrize("name", MODELS)
def test_the_corners_of_a_space_and_its_presets_are_valid_hparams(name):
    hparams = MODELS[name].HParams
    hparams(**{key: distribution.low for key, distribution in SPACES[name].items()})
    hparams(**{key: distribution.high for key, distribution in SPACES[name].items()})
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


def test_the_three_u_net_gans_are_searched_equally():
    assert SPACES["sa_skip_ganomaly"] == SPACES["skip_ganomaly"] == SPACES["sagan"]


def test_presets_are_tried_in_the_stated_order():
    assert list(PRESETS["sa_skip_ganomaly"]) == ["paper", "skip_ganomaly", "pixel_score"]
    assert list(PRESETS["skip_ganomaly"]) == ["skip_ganomaly", "paper", "pixel_score"]
    assert PRESETS["mean_image"] == {"default": {}}
