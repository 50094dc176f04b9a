"""Hashes of descriptions: equal for equal values, on every machine."""

import json

from orchestrator.hashes import digest, seed_of


def test_a_digest_sees_values_and_not_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
    assert digest({"a": (1, 2)}) == digest(json.loads('{"a": [1, 2]}'))


def test_seeds_fit_torch_and_numpy_and_differ():
    seeds = {seed_of("weights", i) for i in range(1000)}
    assert len(seeds) == 1000 and 0 <= min(seeds) and max(seeds) < 2**31
    assert seed_of("weights", 0) == 592589909, "the same on every machine and in every year"
