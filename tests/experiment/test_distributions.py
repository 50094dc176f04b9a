"""Values of rows, beside the distributions that a search draws from."""

import math

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.experiment.distributions import holds, parameters, points, unit

LETTERS = CategoricalDistribution(["a", "b", "c"])


@pytest.mark.parametrize(
    ("distribution", "value", "place"),
    [
        (FloatDistribution(1e-4, 1e-2, log=True), 1e-3, 0.5),
        (FloatDistribution(0, 4), 1, 0.25),
        (FloatDistribution(3, 3), 3, 0.0),
        (IntDistribution(0, 10), 10, 1.0),
        (LETTERS, "b", 0.5),
        (CategoricalDistribution(["a"]), "a", 0.0),
    ],
)
def test_a_values_place_between_the_ends_of_its_distribution(distribution, value, place):
    assert holds(distribution, value)
    assert unit(distribution, value) == pytest.approx(place)


@pytest.mark.parametrize(
    ("distribution", "value"),
    [(FloatDistribution(0, 4), 5), (FloatDistribution(0, 4), "x"), (FloatDistribution(0, 4), math.nan), (LETTERS, "d")],
)
def test_what_a_distribution_does_not_hold(distribution, value):
    assert not holds(distribution, value)


@pytest.mark.parametrize(
    ("space", "count"),
    [
        ({}, 1),
        ({"letter": LETTERS, "depth": IntDistribution(2, 10, step=4)}, 9),
        ({"bank": IntDistribution(50, 400, log=True)}, 351),
        ({"narrow": FloatDistribution(3, 3), "letter": LETTERS}, 3),
        ({"grid": FloatDistribution(0, 1, step=0.1)}, 11),
        ({"lr": FloatDistribution(1e-4, 1e-2, log=True), "letter": LETTERS}, math.inf),
    ],
)
def test_the_points_of_a_space(space, count):
    assert points(space) == count


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"lr": 0.001, "pool": "max", "deep": [1], "none": null}', {"lr": 0.001, "pool": "max"}),
        ("[1, 2]", {}),
        ("no JSON", {}),
    ],
)
def test_parameters_are_the_plain_values_of_a_row(text, values):
    assert parameters(text) == values
