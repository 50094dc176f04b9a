"""A detector as a program of its own: the same scores, to the last bit, without this repository."""

import dataclasses
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from datasets.frame import Frame
from datasets.picture import fit_image, read_pixels
from model.catalog import MODELS
from orchestrator.deploy import export
from orchestrator.deploy.export import Difference
from orchestrator.errors import InputError, RunError
from orchestrator.training import scoring

RNG = np.random.default_rng(0)


def pictures(count: int, height: int = 50, width: int = 70) -> list[np.ndarray]:
    return list(RNG.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def exported(load) -> export.Export:
    return export.export(load(), (50, 70))


@pytest.mark.parametrize("how", ["letterbox", "stretch"])
@pytest.mark.parametrize("size", [(640, 256), (256, 640), (97, 131), (32, 32), (20, 30), (5, 400), (300, 1)])
def test_the_programs_resize_is_pillows_to_the_last_bit(load, size, how):
    config = dataclasses.replace(load().config, fit=how)
    images = pictures(2, *size)
    found = export.framing(size, config)(torch.from_numpy(np.stack(images)))
    assert np.array_equal(found, [fit_image(pixels, config.frame) for pixels in images])


@pytest.mark.parametrize(
    "model",
    ["mean_image", "patch_gaussian", "padim", "patchcore", "patch_forged", "ganomaly", "sa_skip_ganomaly", "alad"],
)
def test_its_scores_verdicts_and_maps_are_the_detectors_for_any_count_of_pictures(load, model):
    found, images = load(model), pictures(3)
    squares = np.stack([fit_image(pixels, Frame(32, 32)) for pixels in images])
    expected, expected_maps = scoring.score(found.detector("cpu"), torch.from_numpy(squares))
    config = dataclasses.replace(found.config, threshold=float(np.median(expected)))
    program = export.export(dataclasses.replace(found, config=config), (50, 70)).program.program.module()
    for count in (3, 1):
        scores, flagged, maps = program(torch.from_numpy(np.stack(images[:count])))
        assert scores.tolist() == pytest.approx(expected[:count].tolist(), rel=1e-6)
        assert flagged.tolist() == (scores.double() >= config.threshold).tolist()
        assert maps.shape == (count, 23, 32), "70 px wide: 32; 50 px high: 23, without the bars"
        np.testing.assert_allclose(maps.detach(), expected_maps[:count, 4:27], rtol=1e-5, atol=1e-7)
    assert 2 <= sum(program(torch.from_numpy(np.stack(images)))[1].tolist()) <= 3


def test_a_detector_that_searches_while_it_scores_is_refused_in_a_line(load):
    assert [name for name, model in MODELS.items() if model.optimises_to_score] == ["anogan"]
    with pytest.raises(InputError, match="anogan searches by gradient descent"):
        export.export(load("anogan"), (50, 70))


def test_its_difference_from_the_detector_is_measured(exported):
    same = exported.difference([pictures(2), pictures(1)])
    assert same == Difference(pictures=3, absolute=0.0, relative=0.0, verdicts=0)
    other = dataclasses.replace(exported, detector=MODELS["mean_image"](exported.detector.hparams, (3, 32, 32), "cpu"))
    other.detector.mean.add(torch.full((1, 3, 32, 32), 0.5))
    lower = dataclasses.replace(other, config=dataclasses.replace(exported.config, threshold=0.0))
    found = lower.difference([pictures(3)])
    assert found.absolute > 0.1 and found.relative > 0.1 and not found.is_negligible()


@pytest.mark.parametrize(
    "difference", [Difference(9, 1.0, relative=2e-4, verdicts=0), Difference(9, 0.0, relative=0.0, verdicts=1)]
)
def test_a_program_that_is_too_far_from_its_detector_is_no_file(exported, difference):
    with pytest.raises(RunError, match="is not the detector.*It was not written"):
        exported.file(difference)


def test_its_file_says_what_it_is(exported):
    content = exported.file(Difference(3, 1e-9, relative=1e-8, verdicts=0))
    extra = {export.METADATA: ""}
    torch.export.load(io.BytesIO(content), extra_files=extra)
    metadata = json.loads(extra[export.METADATA])
    assert (metadata["model"], metadata["category"], metadata["threshold"]) == ("mean_image", "bottle", 0.5)
    assert (metadata["height_px"], metadata["width_px"]) == (50, 70)
    assert metadata["difference"] == {"pictures": 3, "absolute": 1e-9, "relative": 1e-8, "verdicts": 0}
    assert metadata["exported_with"]["torch"] == torch.__version__


ELSEWHERE = """
import sys
sys.path = [folder for folder in sys.path if folder != sys.argv[1]]
import json, numpy, torch
scores, flagged, maps = torch.export.load("program.pt2").module()(torch.from_numpy(numpy.load("pictures.npy")))
ours = [name for name in sys.modules if name.split(".")[0] in ("model", "datasets", "orchestrator")]
print(json.dumps([scores.tolist(), flagged.tolist(), list(maps.shape), ours]))
"""


def test_it_runs_without_this_repository(exported, tmp_path, checkout):
    (tmp_path / "program.pt2").write_bytes(exported.file(exported.difference([pictures(1)])))
    images = pictures(3)
    np.save(tmp_path / "pictures.npy", np.stack(images))
    isolated = [sys.executable, "-I", "-c", ELSEWHERE, str(checkout)]
    done = subprocess.run(isolated, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores, flagged, shape, ours = json.loads(done.stdout)
    squares = np.stack([fit_image(pixels, Frame(32, 32)) for pixels in images])
    expected, _ = scoring.score(exported.detector, torch.from_numpy(squares))
    assert scores == expected.tolist()
    assert (flagged, shape, ours) == ([score >= 0.5 for score in scores], [3, 23, 32], [])


def test_large_pictures_are_checked_a_few_at_a_time(exported):
    assert exported.pictures_at_a_time == scoring.SCORE_BATCH
    assert dataclasses.replace(exported, size=(3000, 4000)).pictures_at_a_time == 1


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera on its side
    Image.fromarray(noise(30, 40)).save(path, exif=exif, quality=95)


def noise(height: int, width: int, channels: int = 3, most: int = 256, kind=np.uint8) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, most, shape, dtype=kind)


KINDS = {
    "turned.jpg": turned,
    "16 bits.png": lambda path: Image.fromarray(noise(9, 9, 1, 65536, np.uint16)).save(path),
    "16 bits.tif": lambda path: Image.fromarray(noise(9, 9, 1, 65536, np.uint16)).save(path),
    "palette.png": lambda path: Image.fromarray(noise(9, 9)).quantize(16).save(path),
    "transparent.png": lambda path: Image.fromarray(noise(9, 9)).quantize(16).save(path, transparency=3),
    "alpha.png": lambda path: Image.fromarray(noise(9, 9, 4)).save(path),
    "grey.png": lambda path: Image.fromarray(noise(9, 9, 1)).save(path),
    "grey and alpha.png": lambda path: Image.fromarray(noise(9, 9, 4)).convert("LA").save(path),
    "bits.png": lambda path: Image.fromarray(noise(9, 9, 1)).convert("1").save(path),
    "cmyk.jpg": lambda path: Image.fromarray(noise(9, 9)).convert("CMYK").save(path),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_tours_reader_makes_of_a_picture_what_the_detectors_own_makes(checkout, tmp_path, name):
    (source,) = re.findall(r"^def read\(file\):\n(?: .*\n)+", (checkout / "docs/tour.md").read_text(), re.M)
    tour = {"numpy": np, "Image": Image, "ImageOps": ImageOps}
    exec(source, tour)
    KINDS[name](tmp_path / name)
    assert np.array_equal(tour["read"](tmp_path / name), read_pixels(tmp_path / name))
