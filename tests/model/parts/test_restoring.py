"""Training on forged defects: what each option adds, and that none of it is there by default."""

import itertools
import math

import pytest
import torch

from model.parts.restoring import RestoringHParams, _fakes_loss
from model.sa_skip_ganomaly import HParams, SaSkipGanomaly

SIZE_PX = 32
SMALL = {"width": 8, "attention_max_tokens": 0}
FORGED_SCORES = ("restored", "mask", "both")


def build(seed: int = 0, **options) -> SaSkipGanomaly:
    torch.manual_seed(seed)
    return SaSkipGanomaly(HParams(**{**SMALL, **options}), (3, SIZE_PX, SIZE_PX), "cpu")


def products(count: int, seed: int) -> torch.Tensor:
    """Normal images: a bright bar on a dark ground, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    bar = torch.where((torch.arange(SIZE_PX) - 15.5).abs() < 6, 0.5, -0.6)
    return bar.expand(count, 3, SIZE_PX, SIZE_PX) + 0.05 * torch.randn(count, 3, SIZE_PX, SIZE_PX, generator=generator)


def spoilt(images: torch.Tensor) -> torch.Tensor:
    changed = images.clone()
    changed[:, :, 10:18, 10:18] = -1.0
    return changed


def train(detector: SaSkipGanomaly, steps: int, images: torch.Tensor | None = None) -> SaSkipGanomaly:
    images = products(16, seed=1) if images is None else images
    detector.calibrate(iter(images.split(8)))
    for step in range(steps):
        torch.manual_seed(step)
        losses = detector.step(images[torch.randperm(len(images))[:8]], step / steps)
        assert all(loss.shape == () and loss.isfinite() and not loss.requires_grad for loss in losses.values())
    detector.calibrate(iter(images.split(8)))
    return detector


def tensors(detector: SaSkipGanomaly) -> list[torch.Tensor]:
    return [value for network in detector.networks().values() for value in network.state_dict().values()]


def touched():
    raise AssertionError("the normal images were looked at")
    yield


# -- options


def test_by_default_nothing_is_forged_and_nothing_is_told():
    resolved = HParams().resolved()
    assert (resolved.forged_input, resolved.mask_output, resolved.normal_input) == (False, False, False)
    assert list(build().networks()) == ["generator", "discriminator"]
    build().calibrate(touched())


@pytest.mark.parametrize("score, forged, mask, told", [
    ("paper", False, False, False), ("calibrated", False, False, False),
    ("restored", True, False, True), ("mask", True, True, True), ("both", True, True, True)])
def test_what_is_left_open_follows_from_the_score(score, forged, mask, told):
    resolved = RestoringHParams(score=score).resolved()
    assert (resolved.forged_input, resolved.mask_output, resolved.normal_input) == (forged, mask, told)


def test_what_is_said_stays():
    resolved = RestoringHParams(score="mask", normal_input=False).resolved()
    assert resolved.mask_output and resolved.normal_input is False
    assert RestoringHParams(forged_input=True).resolved().mask_output is False
    assert RestoringHParams(mask_output=True).resolved().forged_input is True


@pytest.mark.parametrize("options, named", [
    ({"score": "mask", "mask_output": False}, "mask_output"), ({"score": "both", "mask_output": False}, "mask_output"),
    ({"score": "restored", "forged_input": False}, "forged_input"),
    ({"mask_output": True, "forged_input": False}, "forged_input"), ({"score": "residual"}, "score"),
    ({"normal_input": 1}, "normal_input"), ({"w_mask": -1.0}, "w_mask"), ({"forged_fakes": None}, "forged_fakes")])
def test_options_that_do_not_fit_are_refused_in_one_line(options, named):
    with pytest.raises(ValueError, match=rf"^{named} is [^\n]*: expected [^\n]*; [^\n]*$"):
        RestoringHParams(**options)


# -- training


COMBINATIONS = [
    {"score": score, "normal_input": told, "forged_fakes": fakes}
    for score, told, fakes in itertools.product(("paper", "calibrated", *FORGED_SCORES), (False, True), (False, True))]


@pytest.mark.parametrize("options", COMBINATIONS, ids=str)
def test_every_combination_trains_scores_and_maps(options):
    detector = train(build(**options), steps=2)
    scores, maps = detector.score(products(3, seed=2))
    assert scores.shape == (3,) and maps.shape == (3, SIZE_PX, SIZE_PX) and scores.isfinite().all()
    assert (scores.dtype, maps.dtype) == (torch.float32, torch.float32)
    one, its_map = detector.score(products(3, seed=2)[1:2])
    assert torch.allclose(one[0], scores[1], atol=1e-4) and torch.allclose(its_map[0], maps[1], atol=1e-4)


@pytest.mark.parametrize("options", [
    {"score": "restored"}, {"score": "mask"}, {"score": "both"}, {"score": "calibrated"},
    {"score": "calibrated", "forged_input": True}], ids=str)
def test_after_a_short_training_a_gross_defect_scores_higher_and_is_seen_where_it_is(options):
    detector = train(build(lr=5e-3, w_con=1.0, w_adv=0.02, w_lat=0.02, **options), steps=120)
    normal = products(8, seed=2)
    scores, maps = detector.score(normal)
    defect_scores, defect_maps = detector.score(spoilt(normal))
    assert defect_scores.min() > scores.max()
    inside, outside = defect_maps[:, 11:17, 11:17].mean(), defect_maps[:, 26:].mean()
    assert inside > outside and inside > maps[:, 11:17, 11:17].mean()


def test_the_generator_is_given_forged_pictures_and_is_to_give_back_the_clean_ones():
    detector, images = build(forged_input=True, normal_input=False), products(8, seed=1)
    given = []
    detector.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach().clone()))
    torch.manual_seed(0)
    detector.step(images, 0.0)
    (pictures,) = given
    changed = (pictures != images).flatten(1).any(dim=1)
    assert 4 <= changed.sum() <= 8, "four in five"


def test_without_forged_input_the_generator_is_given_the_pictures_themselves():
    detector, images = build(forged_fakes=True), products(8, seed=1)
    given = []
    detector.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach().clone()))
    detector.step(images, 0.0)
    assert torch.equal(given[0], images)


def test_the_generator_that_is_told_gets_what_belongs_to_each_pixel():
    detector = build(score="mask")
    assert detector.generator.encoder[0][0][0].in_channels == 2 * 3 + 2
    assert build(score="mask", normal_input=False).generator.encoder[0][0][0].in_channels == 3


def test_forged_fakes_teach_the_discriminator_alone():
    """One step from the same weights: the generator's gradient is the same with and without them, D's is not."""
    plain, with_fakes = build(score="restored"), build(score="restored", forged_fakes=True)
    for detector in (plain, with_fakes):
        detector.calibrate([products(8, seed=1)])
        torch.manual_seed(0)
        losses = detector.step(products(8, seed=1), 0.0)
        assert (losses["forged_fakes"] > 0) == (detector is with_fakes)
    pairs = [zip(plain.networks()[name].parameters(), with_fakes.networks()[name].parameters(), strict=True)
             for name in ("generator", "discriminator")]
    assert all(torch.equal(one.grad, other.grad) for one, other in pairs[0])
    assert not any(torch.equal(one.grad, other.grad) for one, other in pairs[1])


def test_the_discriminator_learns_to_tell_forged_pictures():
    detector = train(build(score="restored", forged_fakes=True), steps=30)
    detector.discriminator.eval()
    with torch.no_grad():
        real, forged = (detector.discriminator(of)[0] for of in (products(8, seed=3), spoilt(products(8, seed=3))))
    assert real.mean() > forged.mean()


def test_fakes_cost_what_d_believes_of_pictures_that_show_something_forged():
    """-log(1 - D): D is 3/4 of the first, and the second is left out."""
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, 1, 1] = True
    logits = torch.tensor([math.log(3), 9.0])
    assert _fakes_loss(logits, mask).item() == pytest.approx(math.log(4))
    assert _fakes_loss(logits, torch.zeros_like(mask)).item() == 0.0


def test_a_discriminator_that_has_no_say_is_left_alone():
    detector = build(score="mask", w_adv=0.0, w_lat=0.0)
    before = [value.clone() for value in detector.discriminator.state_dict().values()]
    train(detector, steps=1)
    after = detector.discriminator.state_dict().values()
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
    judged = build(score="calibrated", forged_input=True, w_adv=0.0, w_lat=0.0)
    assert judged.discriminates, "its first map is part of the score"


def test_the_weight_of_the_mask_is_that_of_its_loss():
    light, heavy = (build(score="mask", w_mask=w_mask, w_adv=0.0, w_lat=0.0) for w_mask in (0.0, 10.0))
    losses = []
    for detector in (light, heavy):
        detector.calibrate([products(8, seed=1)])
        torch.manual_seed(0)
        losses.append(detector.step(products(8, seed=1), 0.0))
    assert losses[1]["mask"] == losses[0]["mask"]
    added = losses[1]["generator"] - losses[0]["generator"]
    assert added.item() == pytest.approx(10 * losses[0]["mask"].item(), rel=1e-3)


# -- what is kept


def test_the_averaged_generator_is_the_one_that_scores():
    detector = train(build(score="mask", lr=2e-3), steps=3)
    scores, _ = detector.score(products(2, seed=2))
    with torch.no_grad():
        for parameter in detector.generator.parameters():
            parameter.zero_()
    assert torch.equal(detector.score(products(2, seed=2))[0], scores)


def test_the_normal_pixels_are_seen_once_and_before_the_first_step():
    detector = build(score="mask")
    detector.calibrate([products(8, seed=1)])
    seen = detector.normal_input.gaussian.mean.clone()
    detector.calibrate([products(8, seed=5)])
    assert detector.normal_input.is_fitted() and torch.equal(detector.normal_input.gaussian.mean, seen)


def test_the_sum_of_both_maps_is_in_units_of_normal_images():
    detector = train(build(score="both", lr=2e-3), steps=20)
    images = products(8, seed=2)
    scores, maps = detector.score(images)
    assert torch.equal(scores, maps.amax(dim=(1, 2)))
    residuals, logits = detector._maps(images)
    by_hand = [(of - spread.mean) / spread.deviation
               for of, spread in ((residuals, detector.spreads["residual"]), (logits, detector.spreads["mask"]))]
    assert torch.allclose(maps, sum(by_hand), atol=1e-4)


def test_a_picture_that_calibration_saw_is_judged_there_as_if_it_had_not():
    """With eight normal images, each is a good part of what is known of its pixels."""
    detector, images = build(score="mask"), products(8, seed=1)
    detector.calibrate(iter([images]))
    given = []
    detector.average.average.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    detector.generate(images, is_seen=True)
    detector.generate(images)
    seen, new = (inputs[:, 3:6].abs().mean() for inputs in given)
    assert seen > 1.05 * new


@pytest.mark.parametrize("score", ["calibrated", *FORGED_SCORES])
def test_its_score_is_a_fixed_program_for_any_number_of_pictures(score):
    class Program(torch.nn.Module):
        def forward(self, images):
            return detector.score(images)

    detector, images = train(build(score=score), steps=1), products(3, seed=2)
    detector.score(images)  # leaves it as it is when it scores
    batch = ({0: torch.export.Dim("batch", min=1)},)
    with torch.no_grad():
        program = torch.export.export(Program(), (images[:2],), None, dynamic_shapes=batch).module()
    for count in (1, 3):
        assert torch.allclose(program(images[:count])[0], detector.score(images[:count])[0], atol=1e-5)


@pytest.mark.parametrize("options", COMBINATIONS[::3], ids=str)
def test_saved_and_loaded_it_scores_alike_and_has_the_keys_of_an_unfitted_one(options):
    detector, other = train(build(**options), steps=2), build(seed=1, **options)
    assert [list(n.state_dict()) for n in detector.networks().values()] == [
        list(n.state_dict()) for n in other.networks().values()]
    other.load_state_dict(detector.state_dict())
    images = products(3, seed=2)
    assert torch.equal(detector.score(images)[0], other.score(images)[0])
    before = [value.clone() for value in tensors(detector)]
    detector.score(images)
    assert all(torch.equal(one, two) for one, two in zip(before, tensors(detector), strict=True))


@pytest.mark.parametrize("score", FORGED_SCORES)
def test_every_network_that_is_no_average_belongs_to_an_optimiser(score):
    detector = build(score=score)
    held = {id(p) for optimizer in detector.optimizers() for group in optimizer.param_groups for p in group["params"]}
    for name, network in detector.networks().items():
        assert all((id(p) in held) != name.endswith("_average") for p in network.parameters()), name
