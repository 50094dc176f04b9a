"""The units of maps: the highest value of a normal image."""

import torch

from model.parts.spread import CALIBRATION_BATCHES, Spread, fit_spreads


def maps(*highest: float) -> torch.Tensor:
    """One map (2, 2) for each highest value, all else far below."""
    made = torch.full((len(highest), 2, 2), -9.0)
    made[:, 1, 0] = torch.tensor(highest)
    return made


def test_until_fit_maps_are_left_as_they_are():
    assert torch.equal(Spread()(maps(1.0, 2.0)), maps(1.0, 2.0))


def test_the_highest_values_of_the_normal_images_get_mean_0_and_deviation_1():
    spread = Spread()
    spread.fit(maps(1.0, 3.0, 5.0))
    highest = spread(maps(1.0, 3.0, 5.0)).amax(dim=(1, 2))
    assert abs(highest.mean().item()) < 1e-6 and abs(highest.std(correction=0).item() - 1) < 1e-6


def test_highest_values_that_are_all_equal_divide_by_no_0():
    spread = Spread()
    spread.fit(maps(2.0, 2.0))
    assert spread(maps(2.0)).amax().item() == 0.0
    assert spread(maps(2.5)).isfinite().all()


def test_its_state_has_the_same_keys_before_and_after():
    spread, keys = Spread(), list(Spread().state_dict())
    spread.fit(maps(1.0, 2.0))
    assert list(spread.state_dict()) == keys == ["mean", "deviation"]


def test_each_spread_sees_its_kind_of_map_of_the_first_batches_alone():
    spreads, later = [Spread(), Spread()], 100.0
    batches = [(maps(1.0 + i), maps(10.0 + i)) for i in range(CALIBRATION_BATCHES)] + [(maps(later), maps(later))]
    fit_spreads(spreads, iter(batches))
    middle = (CALIBRATION_BATCHES - 1) / 2
    assert [spread.mean.item() for spread in spreads] == [1.0 + middle, 10.0 + middle]
