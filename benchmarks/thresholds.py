"""What a threshold comes to on images that it has not seen: the best F1's beside that for a share of false alarms.

Method. Detectors without training loop are fitted on the normal training images of real categories, at 64 px; under
protocol holdout, seed after seed, one half of the labelled images sets both thresholds, and the other half, the test
part, is flagged by them. Told are means over the seeds: the test AUROC; how many normals set the thresholds; of each
the share of normals flagged (false alarms), its standard deviation over the seeds, the recall and F1; and the bound on
false alarms that the row has (95 % confidence).

    python benchmarks/thresholds.py --data-root DATA      # DATA holds mvtec_ad/ and kolektor_sdd/; a minute
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from datasets.frame import Frame
from datasets.images import Images, load
from model.catalog import MODELS
from orchestrator.metrics import image, thresholds
from orchestrator.training import scoring
from orchestrator.training.selection import select

CATEGORIES = (("mvtec_ad", "bottle"), ("mvtec_ad", "transistor"), ("kolektor_sdd", "kolektor_sdd"))
DETECTORS = ("patch_gaussian", "mean_image")
SIZE_PX = 64
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="(default: 10)")
    parser.add_argument("--false-alarms", type=float, default=0.05, metavar="X", help="(default: 0.05)")
    asked = parser.parse_args()
    columns = "false alarms | sd | recall | F1"
    print(
        f"| category | detector | AUROC | normals | best F1: {columns} | {asked.false_alarms:g}: {columns} | at most |"
    )
    print("|" + "---|" * 13)
    for dataset, category in CATEGORIES:
        images = load(dataset, str(asked.data_root / dataset), category, Frame(SIZE_PX, SIZE_PX))
        for name in DETECTORS:
            runs = np.array([run(images, name, seed, asked.false_alarms) for seed in range(asked.seeds)])
            means, spread = runs.mean(0), runs.std(0, ddof=1)
            cells = [means[2], spread[2], *means[3:6], spread[5], *means[6:]]
            shown = " | ".join(f"{value:.3f}" for value in cells)
            print(f"| {category} | {name} | {means[1]:.3f} | {means[0]:.0f} | {shown} |", flush=True)


def run(images: Images, name: str, seed: int, share: float) -> list[float]:
    """Normals that set the thresholds, AUROC; of both thresholds false alarms, recall and F1; the bound."""
    data = select(images, "holdout", seed, CPU)
    detector = MODELS[name](MODELS[name].HParams(), (3, SIZE_PX, SIZE_PX), "cpu")
    detector.calibrate(scoring.normals(data.pixels, data.train))
    val_scores, _ = scoring.score(detector, data.val)
    test = data.split.test
    scores, _ = scoring.score(detector, scoring.to_device(images.pixels[test], CPU))
    labels = images.labels[test]
    found = [float((data.val_labels == 0).sum()), image.auroc(labels, scores)]
    by_f1 = thresholds.for_best_f1(data.val_labels, val_scores)
    by_share = thresholds.for_false_alarms(data.val_labels, val_scores, share)
    for threshold in (by_f1.value, by_share.value):
        verdicts = image.verdicts(labels, scores, threshold)
        found += [float((scores[labels == 0] >= threshold).mean()), verdicts.recall, verdicts.f1]
    return [*found, by_share.most_false_alarms]


if __name__ == "__main__":
    main()
