"""What rows say of hyper-parameters, beside the distributions of a search space. Rows may be of an older space, or of
anybody's making. Pure."""

import json
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution


def parameters(text: str) -> dict[str, Any]:
    """The plain values by name that a row's JSON holds; none where the text is not of that kind."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    plain = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in plain if isinstance(value, str | int | float)}


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a search of this distribution could have chosen the value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, Real) and math.isfinite(value) and distribution.low <= value <= distribution.high


def points(space: Mapping[str, BaseDistribution]) -> float:
    """How many points a search space has; 1 where nothing is searched, infinite where a range is continuous."""
    return math.prod(map(_values, space.values()))


def _values(distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if distribution.single():
        return 1
    if distribution.step is None:
        return math.inf
    return round((distribution.high - distribution.low) / distribution.step) + 1  # the ends are adjusted to the steps


def unit(distribution: BaseDistribution, value: Any) -> float:
    """The place of a value that it holds between its ends, 0 to 1; of a choice, in their order."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices.index(value) / max(1, len(distribution.choices) - 1)
    ends = (distribution.low, value, distribution.high)
    low, own, high = map(math.log, ends) if distribution.log else ends
    return (own - low) / (high - low) if high > low else 0.0
