"""The maps that MVTec AD 2's evaluation server takes: where they lie, of which type and size, on which scale."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from orchestrator import cli
from orchestrator.experiment.job import Category


@pytest.fixture
def vial(tmp_path, make_checkpoint, monkeypatch) -> Path:
    """A folder with a detector of vial and a picture of each private test set."""
    category = Category("mvtec_ad_2", "vial", "/data", images=9, train_images=5, fingerprint="f" * 64)
    (tmp_path / "detector").mkdir()
    for name, content in make_checkpoint(job={"category": category})[1].items():
        (tmp_path / "detector" / name).write_bytes(content)
    rng = np.random.default_rng(0)
    for split, name in (("test_private", "000_regular.png"), ("test_private_mixed", "000_mixed.png")):
        path = tmp_path / "data" / "vial" / split / name
        path.parent.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*words: str) -> int:
    return cli.main(["predict", *words, "--checkpoint", "detector", "--submission", "maps", "--heat-maps", "none"])


def floats(path: Path) -> np.ndarray:
    """An uncompressed TIFF of floats of 16 bits, read by its tags alone, as Pillow knows none."""
    data = path.read_bytes()
    tags = ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    (bits,), (is_float,), compression, width, height = (tags[tag] for tag in (258, 339, 259, 256, 257))
    assert (bits, is_float, compression) == (16, 3, 1)
    strips = zip(tags[273], tags[279], strict=True)
    return np.frombuffer(b"".join(data[at : at + size] for at, size in strips), "<f2").reshape(height, width)


def test_both_files_of_each_picture_lie_where_the_server_expects_them(vial):
    assert predict("data/vial/test_private", "data/vial/test_private_mixed") == 0
    written = sorted(path.relative_to("maps").as_posix() for path in Path("maps").rglob("*.*"))
    assert written == [
        "anomaly_images/vial/test_private/000_regular.tiff",
        "anomaly_images/vial/test_private_mixed/000_mixed.tiff",
        "anomaly_images_thresholded/vial/test_private/000_regular.png",
        "anomaly_images_thresholded/vial/test_private_mixed/000_mixed.png",
    ]


def test_a_map_is_of_the_pictures_size_and_anomalous_from_half_of_the_validation_maps_scale(vial):
    assert predict("data/vial/test_private/000_regular.png") == 0
    values = floats(Path("maps/anomaly_images/vial/test_private/000_regular.tiff"))
    thresholded = np.asarray(Image.open("maps/anomaly_images_thresholded/vial/test_private/000_regular.png"))
    assert values.shape == thresholded.shape == (40, 30) and np.ptp(values) > 0
    assert thresholded.dtype == np.uint8
    np.testing.assert_array_equal(thresholded, np.where(values > 0.5, 255, 0))


def test_the_pictures_of_another_category_or_part_are_refused_before_anything_is_written(vial, capsys):
    for folder in ("data/can/test_private", "data/vial/test_public/good"):
        Path(folder).mkdir(parents=True)
        Path(folder, "000.png").write_bytes(Path("data/vial/test_private/000_regular.png").read_bytes())
        assert predict(folder) == 2
        expected = f"{folder}/000.png is in none of vial/test_private, vial/test_private_mixed."
        assert expected in capsys.readouterr().err
    assert not Path("maps").exists() and not Path("predictions").exists()


def test_the_detector_of_another_dataset_is_refused(vial, make_checkpoint, capsys):
    for name, content in make_checkpoint()[1].items():
        Path("detector", name).write_bytes(content)
    assert predict("data/vial/test_private") == 2
    assert "--submission is of detectors of mvtec_ad_2, and this one is of mvtec_ad." in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_said(vial, capsys):
    Path("maps").write_text("a file")
    assert predict("data/vial/test_private") == 2
    assert "--submission maps cannot be made" in capsys.readouterr().err
