"""The search spaces of anomalib's models are of their constructors' arguments, which accept what lies inside."""

import dataclasses

import pytest

from model.anomalib_names import ADAPTED, TRAINING_FREE
from model.catalog import KNOWN
from search_spaces.anomalib_models import PRESETS, SPACES

SPEEDS = {"lr", "learning_rate", "lr_factor"}


def ends(distribution) -> tuple:
    return getattr(distribution, "choices", None) or (distribution.low, distribution.high)


def test_each_model_has_a_space_and_one_preset_that_covers_it():
    assert set(SPACES) == set(PRESETS) == set(ADAPTED)
    for name, presets in PRESETS.items():
        assert [set(params) for params in presets.values()] == [set(SPACES[name])]


@pytest.mark.parametrize("name", [name for name in ADAPTED if name not in TRAINING_FREE])
def test_how_fast_a_trained_one_learns_is_searched_on_a_log_scale(name):
    (speed,) = SPEEDS & SPACES[name].keys()
    assert SPACES[name][speed].log


@pytest.mark.parametrize("name", ADAPTED)
def test_a_space_is_of_the_constructors_arguments_its_preset_the_default_its_corners_valid(name):
    pytest.importorskip("anomalib")
    hparams = KNOWN[name].HParams
    fields = {field.name for field in dataclasses.fields(hparams)}
    assert SPACES[name].keys() <= fields
    (preset,) = PRESETS[name].values()
    assert hparams(**preset) == hparams()
    for corner in (0, -1):
        hparams(**{key: ends(distribution)[corner] for key, distribution in SPACES[name].items()})
