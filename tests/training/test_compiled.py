"""Compiled steps: the same training but for rounding; what is scored is not compiled.

A stance of torch's refuses what would have to be compiled, so that nothing is: that takes a compiler, and a minute.
"""

from contextlib import nullcontext

import pytest
import torch

from model.contract import Detector
from orchestrator.training import detectors
from orchestrator.training.compiled import compile_steps
from orchestrator.training.selection import select

SHAPE = (3, 32, 32)


def built(model: str) -> Detector:
    torch.manual_seed(0)
    return detectors.build(model, {}, SHAPE, "cpu")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand((4, *SHAPE), generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("model", ["ganomaly", "patch_forged"])
def test_a_step_is_compiled_and_a_score_is_not(model, images):
    plain, compiled = built(model), built(model)
    compile_steps(compiled)
    with torch.compiler.set_stance("fail_on_recompile"):
        for detector in (plain, compiled):
            detector.calibrate([images])
        assert all(map(torch.equal, compiled.score(images), plain.score(images)))
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            compiled.step(images, 0.0)


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_an_experiment_asks_for_it(is_asked_for, make_job, fabric, images):
    job = make_job("fabric", model=("patch_forged",), size_px=32, compile=is_asked_for)
    detector = detectors.of_job(job, {}, select(fabric, "holdout", 0, torch.device("cpu")), 0)
    detector.calibrate([images])
    refused = pytest.raises(RuntimeError, match="fail_on_recompile") if is_asked_for else nullcontext()
    with torch.compiler.set_stance("fail_on_recompile"), refused:
        detector.step(images, 0.0)


def test_its_state_is_that_of_an_uncompiled_one():
    plain, compiled = built("ganomaly"), built("ganomaly")
    compile_steps(compiled)
    assert compiled.state_dict()["networks"].keys() == plain.state_dict()["networks"].keys()
    for name, network in compiled.networks().items():
        assert network.state_dict().keys() == plain.networks()[name].state_dict().keys()


def test_a_detector_without_a_step_has_nothing_to_compile(images):
    detector = built("mean_image")
    compile_steps(detector)
    detector.calibrate([images])
    assert len(detector.score(images)[0]) == len(images)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ganomaly", "f_anogan"])  # two gradients of one network; the gradient of a gradient
def test_compiled_steps_are_the_others_but_for_rounding_and_later_trainings_compile_nothing(model, images):
    losses = []
    for is_compiled, stance in ((False, "default"), (True, "default"), (True, "fail_on_recompile")):
        detector = built(model)
        if is_compiled:
            compile_steps(detector)
        torch.manual_seed(1)
        with torch.compiler.set_stance(stance):
            losses.append(detector.step(images, 0.0))
    for compiled in losses[1:]:
        torch.testing.assert_close(compiled, losses[0], rtol=1e-4, atol=1e-5)
