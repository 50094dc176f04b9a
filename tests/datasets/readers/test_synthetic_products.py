"""What can be wrong with a product: it shows where it is marked and nowhere else, faintly or glaringly."""

import numpy as np
import pytest

from datasets.readers import synthetic, synthetic_long
from datasets.readers.synthetic_drawing import Canvas
from datasets.readers.synthetic_products import PRODUCTS, Flaw, dust

DEFECTS = {**synthetic.DEFECTS, **synthetic_long.DEFECTS}
ALL_KINDS = [(category, kind) for category in PRODUCTS for kind in DEFECTS[category]]
LOGICAL_KINDS = [("blade", "tooth"), ("board", "wrong_part"), ("fabric", "thread"), ("washer", "paint")]
NUMBERS = range(12)
SIDE_PX = 64  # while drawing: pictures of 32 px


def product(category: str, kind: str, severity: float, number: int) -> Canvas:
    flaw = Flaw(kind, severity, np.random.default_rng(1000 + number))
    return PRODUCTS[category](SIDE_PX, np.random.default_rng(number), flaw)


def change(category: str, kind: str, severity: float, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(L, D) each: how far the flawed product's colours are from the good one's, and what is marked."""
    good, flawed = product(category, "good", 0, number), product(category, kind, severity, number)
    return abs(flawed.colours - good.colours).max(axis=0), flawed.defective


@pytest.mark.parametrize("category", PRODUCTS)
def test_good_products_differ_and_have_no_mark(category: str) -> None:
    drawn = [product(category, "good", 0, number) for number in NUMBERS]
    assert all(canvas.colours.dtype == np.float32 and not canvas.defective.any() for canvas in drawn)
    assert len({canvas.colours.tobytes() for canvas in drawn}) == len(drawn)


@pytest.mark.parametrize(("category", "kind"), ALL_KINDS)
@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_a_flaw_changes_what_it_marks_and_nothing_else(category: str, kind: str, severity: float) -> None:
    for number in NUMBERS:
        changed, marked = change(category, kind, severity, number)
        assert not changed[marked == 0].any()
        assert changed[marked >= 0.25].max() > 0.02  # even the faintest: 5 of 255 levels


@pytest.mark.parametrize(("category", "kind"), ALL_KINDS)
def test_a_severe_flaw_is_more_glaring_than_a_slight_one(category: str, kind: str) -> None:
    def contrast(severity: float) -> float:
        changes = [change(category, kind, severity, number) for number in NUMBERS]
        return float(np.mean([changed.sum() / changed.size for changed, _ in changes]))

    assert contrast(1.0) > contrast(0.5) > contrast(0.0)


@pytest.mark.parametrize(("category", "kind"), LOGICAL_KINDS)
def test_a_part_that_is_wrong_can_be_so_glaringly_at_any_severity(category: str, kind: str) -> None:
    """Missing or doubled is all or nothing: among the slightest flaws of these kinds, some change much."""
    contrasts = [change(category, kind, 0.0, number)[0].max() for number in NUMBERS]
    assert max(contrasts) > 0.2


def test_dust_is_small_but_not_faint_and_no_defect() -> None:
    dusty, shares = 0, []
    for number in NUMBERS:
        canvas = product("washer", "good", 0, number)
        clean = canvas.colours.copy()
        dust(canvas, np.random.default_rng(number))
        changed = abs(canvas.colours - clean).max(axis=0)
        dusty += bool(changed.max() > 0.2)
        shares.append((changed > 0.05).mean())
        assert not canvas.defective.any()
    assert dusty == len(NUMBERS)
    assert 0 < np.mean(shares) < 0.02
