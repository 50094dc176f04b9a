"""What fills forged defects: each kind as it is named."""

import pytest
import torch

from model.parts.forged_fills import draw_fills

OWNER = torch.arange(8)


def filled(images: torch.Tensor, kind: str) -> torch.Tensor:
    torch.manual_seed(0)
    return draw_fills(images, OWNER, (kind,))


def one_colour_each() -> torch.Tensor:
    """Eight images of one colour each, all different."""
    colours = torch.rand(8, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return colours[:, :, None, None].expand(-1, -1, 32, 32).clone()


def textures() -> torch.Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("kind", ["same_far", "same_near"])
def test_what_is_moved_within_an_image_has_its_colour(kind):
    images = one_colour_each()
    assert torch.allclose(filled(images, kind), images, atol=1e-5)


def test_what_comes_from_another_image_has_that_ones_colour():
    images = one_colour_each()
    distance = (filled(images, "other")[:, None, :, 0, 0] - images[None, :, :, 0, 0]).norm(dim=2)
    nearest = distance.argmin(dim=1)
    assert distance.amin(dim=1).max() < 1e-4 and (nearest != OWNER).sum() >= 4


def test_near_is_nearer_than_far():
    ramp = torch.linspace(-1, 1, 32).expand(8, 3, 32, 32).clone()
    near, far = ((filled(ramp, kind) - ramp).abs().mean() for kind in ("same_near", "same_far"))
    assert near < 0.5 * far


def test_another_light_keeps_the_pattern():
    """A gain and a level a channel: where nothing is cut off, the differences within an image keep their sign."""
    images = textures() * 0.1
    lit = filled(images, "light")
    uncut = (lit.abs() < 1) & (lit.roll(1, 3).abs() < 1)
    rises, still_rises = (images > images.roll(1, 3))[uncut], (lit > lit.roll(1, 3))[uncut]
    assert uncut.float().mean() > 0.5 and torch.equal(rises, still_rises)
    assert (lit - images).abs().mean() > 0.1


def test_a_flat_colour_knows_nothing_of_the_image():
    assert torch.equal(filled(textures(), "flat"), filled(-textures(), "flat"))


def test_the_blurred_image_varies_less_about_the_same_mean():
    images = textures()
    blurred = filled(images, "blurred")
    assert (blurred.std(dim=(2, 3)) < 0.7 * images.std(dim=(2, 3))).all()
    assert torch.allclose(blurred.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.1)


def test_kinds_are_drawn_alike_often():
    """Of two kinds, about half of the fills are flat, which differ from their image everywhere."""
    images = one_colour_each()[:1]
    torch.manual_seed(0)
    fills = draw_fills(images, torch.zeros(400, dtype=torch.long), ("same_far", "flat"))
    assert 0.4 < ((fills - images).abs().amax(dim=(1, 2, 3)) < 1e-4).float().mean() < 0.6
