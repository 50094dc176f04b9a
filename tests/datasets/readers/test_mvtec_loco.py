"""MVTec LOCO AD's layout: two kinds of anomalies, several masks an image."""

import numpy as np
from PIL import Image

from datasets.frame import Frame
from datasets.images import load
from datasets.readers.mvtec_loco import COUNTS, scan


def test_all_masks_in_a_pictures_folder_are_its_own(tmp_path, save) -> None:
    save("pushpins/train/good/000.png", "pushpins/validation/good/000.png", "pushpins/test/good/000.png")
    save("pushpins/test/logical_anomalies/000.png", "pushpins/test/logical_anomalies/001.png")
    save("pushpins/ground_truth/logical_anomalies/001/000.png")
    folder = "pushpins/ground_truth/logical_anomalies/000"
    save(f"{folder}/000.png", f"{folder}/001.png")
    samples = {sample.path: sample for sample in scan(tmp_path, "pushpins")}
    first = samples["pushpins/test/logical_anomalies/000.png"]
    assert first.masks == (f"{folder}/000.png", f"{folder}/001.png") and first.defect == "logical_anomalies"
    assert len(samples["pushpins/test/logical_anomalies/001.png"].masks) == 1
    assert samples["pushpins/validation/good/000.png"].part == "validation" and len(samples) == 5


def test_their_union_is_the_mask_whatever_their_levels(tmp_path, save) -> None:
    save("pushpins/train/good/000.png", "pushpins/test/logical_anomalies/000.png")
    for name, row, level in (("000", 1, 255), ("001", 4, 3)):
        mask = np.zeros((6, 6), np.uint8)
        mask[row, 2] = level
        path = tmp_path / f"pushpins/ground_truth/logical_anomalies/000/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    masks = load("mvtec_loco", str(tmp_path), "pushpins", Frame(6, 6)).masks
    assert [tuple(place) for place in np.argwhere(masks[0])] == [(1, 2), (4, 2)]


def test_the_published_counts_add_up() -> None:
    assert sum(map(sum, COUNTS.values())) == 3644
