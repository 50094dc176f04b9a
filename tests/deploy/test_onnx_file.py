"""A detector as an ONNX file: the same scores and verdicts by onnxruntime, where there is neither torch nor we."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from datasets.picture import fit_image
from model.catalog import MODELS
from orchestrator.deploy import export, onnx_file
from orchestrator.errors import InputError, RunError
from orchestrator.training import scoring
from orchestrator.training.checkpoint import Checkpoint

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
SIZE = (50, 70)
QUICK = {"mean_image", "patch_gaussian", "skip_ganomaly"}  # to export


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(load) -> export.Export:
    return export.export(load("mean_image"), SIZE, ".onnx")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in MODELS
        if not MODELS[name].optimises_to_score
    ],
)
def test_every_fixed_program_of_the_image_is_the_detector_for_any_count_of_pictures(load, model):
    found = load(model)
    low, middle, _ = sorted(scoring.score(found.detector("cpu"), _framed(found, pictures(3)))[0])
    threshold = float(low + middle) / 2
    found = dataclasses.replace(found, config=dataclasses.replace(found.config, threshold=threshold))
    made = export.export(found, SIZE, ".onnx")
    difference = made.difference([pictures(3), pictures(1, seed=1)])
    assert difference.pictures == 4 and difference.is_negligible(), difference


def _framed(found: Checkpoint, images: np.ndarray):
    return scoring.to_device(np.stack([fit_image(pixels, found.config.frame) for pixels in images]), "cpu")


def test_its_file_says_what_it_is_and_who_made_it(exported):
    model = onnx.load_from_string(exported.file(exported.difference([pictures(2)])))
    onnx.checker.check_model(model)
    (about,) = [json.loads(one.value) for one in model.metadata_props if one.key == onnx_file.METADATA]
    assert model.producer_name == "defectsweep"
    assert (about["model"], about["threshold"], about["height_px"], about["width_px"]) == ("mean_image", 0.5, *SIZE)
    assert about["exported_with"]["opset"] in [one.version for one in model.opset_import]
    assert [one.name for one in model.graph.input] == ["pictures"]
    assert [one.name for one in model.graph.output] == ["scores", "is_defective", "maps"]


def test_it_tells_nothing_of_the_machine_that_made_it(exported, checkout):
    content = exported.file(exported.difference([pictures(1)]))
    assert str(checkout).encode() not in content and b"site-packages" not in content and b".py" not in content


def test_one_that_is_too_far_from_its_detector_is_no_file(exported, load):
    other = dataclasses.replace(exported, detector=load("patch_gaussian").detector("cpu"))
    with pytest.raises(RunError, match="is not the detector.*It was not written"):
        other.file(other.difference([pictures(3)]))


ELSEWHERE = """
import sys
sys.path = [folder for folder in sys.path if folder != sys.argv[1]]
sys.modules["torch"] = None  # whoever imports it fails
import json, numpy, onnxruntime
detector = onnxruntime.InferenceSession("program.onnx")
scores, flagged, maps = detector.run(None, {"pictures": numpy.load("pictures.npy")})
ours = [name for name in sys.modules if name.split(".")[0] in ("model", "datasets", "orchestrator")]
print(json.dumps([scores.tolist(), flagged.tolist(), list(maps.shape), ours]))
"""


def test_it_runs_with_onnxruntime_and_numpy_alone(exported, tmp_path, checkout):
    (tmp_path / "program.onnx").write_bytes(exported.file(exported.difference([pictures(1)])))
    np.save(tmp_path / "pictures.npy", pictures(3))
    done = subprocess.run([sys.executable, "-I", "-c", ELSEWHERE, str(checkout)], cwd=tmp_path, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores, flagged, shape, ours = json.loads(done.stdout)
    expected, _ = exported.program.judge(pictures(3))
    assert scores == pytest.approx(expected.tolist(), rel=1e-6)
    assert (flagged, shape, ours) == ([score >= 0.5 for score in scores], [3, 23, 32], [])


def test_what_is_missing_for_it_is_said_before_anything_is_done(monkeypatch):
    monkeypatch.setattr(onnx_file, "NEEDED", ("onnx", "a_package_that_nobody_has"))
    with pytest.raises(InputError, match=r"needs a_package_that_nobody_has: pip install 'defectsweep\[onnx\]'"):
        onnx_file.require()


def test_the_milliseconds_of_both_are_told(exported):
    assert all(taken > 0 for taken in exported.picture_ms(pictures(1)[0]))
