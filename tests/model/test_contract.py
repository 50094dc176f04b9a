"""What the contract's own code does: state by name, counts, checks of images and of hyper-parameters."""

import pytest
import torch

from model.contract import Detector, check_choice, check_number, check_whole


class Affine(Detector):
    """The smallest detector that trains: scores are |w * x|'s means, pulled to zero."""

    def __init__(self, hparams=None, image_shape=(1, 2, 2), device="cpu"):
        super().__init__(hparams, image_shape, device)
        self.weight = torch.nn.Conv2d(image_shape[0], image_shape[0], 1)
        self.adam = torch.optim.Adam(self.weight.parameters(), 0.1)

    def networks(self):
        return {"weight": self.weight}

    def optimizers(self):
        return [self.adam]

    def step(self, images, progress):
        loss = self.weight(self.take(images)).square().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return {"loss": loss.detach()}

    @torch.no_grad()
    def score(self, images):
        maps = self.weight(self.take(images)).abs().mean(1)
        return maps.mean((1, 2)), maps

    def reconstruct(self, images):
        return self.take(images)


def test_a_detector_without_every_method_cannot_be_built():
    class Half(Detector):
        def score(self, images):
            return images, images

    with pytest.raises(TypeError):
        Half(None, (1, 2, 2), "cpu")


def test_parameters_are_counted_by_network():
    assert Affine(image_shape=(3, 2, 2)).parameters_by_network() == {"weight": 3 * 3 + 3}


def test_a_loaded_detector_goes_on_as_the_saved_one_and_shares_no_memory_with_it():
    torch.manual_seed(0)
    images = torch.rand(4, 1, 2, 2)
    first, second = Affine(), Affine()
    first.step(images, 0.0)
    second.load_state_dict(first.state_dict())
    for detector in (first, second):  # one after the other: shared optimiser state would be advanced twice
        for _ in range(3):
            detector.step(images, 0.5)
    assert torch.equal(first.weight.weight, second.weight.weight)


@pytest.mark.parametrize("shape", [(2, 1, 2, 3), (2, 3, 2, 2), (0, 1, 2, 2), (1, 2, 2)])
def test_images_of_another_shape_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"images have shape .*: expected \(N, 1, 2, 2\).*; resize") as error:
        Affine().score(torch.zeros(shape))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "0.1", None, True])
def test_a_bad_number_is_named_with_what_was_expected_and_a_cure(value):
    with pytest.raises(ValueError, match=r"^lr is .*: expected a number > 0; set it to 0.0002, for example$"):
        check_number("lr", value, above=0, example=2e-4)


def test_bounds_are_open_and_closed_as_named():
    check_number("beta", 0, least=0, below=1, example=0.5)
    check_number("share", 1.0, least=0, most=1, example=0.5)
    with pytest.raises(ValueError, match=r"beta is 1: expected a number >= 0 and < 1; set it to 0.5"):
        check_number("beta", 1, least=0, below=1, example=0.5)


@pytest.mark.parametrize("value", [-1, 2.0, True, "8"])
def test_a_whole_number_is_an_int(value):
    check_whole("tokens", 0, least=0, example=1024)
    with pytest.raises(ValueError, match=r"^tokens is .*: expected a whole number >= 0; set it to 1024, for example$"):
        check_whole("tokens", value, least=0, example=1024)


def test_a_bad_choice_lists_the_choices():
    check_choice("pool", "max", ("max", "soft"))
    with pytest.raises(ValueError, match=r"^pool is 'mx': expected 'max' or 'soft'; set it to 'max', the default$"):
        check_choice("pool", "mx", ("max", "soft"))
    with pytest.raises(ValueError):
        check_choice("amp", 1, (False, True))
