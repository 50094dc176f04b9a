"""Pictures as they are sent -> replies: the scores and verdicts of `predict`, alone and together."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from orchestrator.deploy.detector import built
from orchestrator.deploy.posted import Posted, replies


@pytest.fixture(params=["mean_image", "patch_gaussian"])
def detector(request, load):
    return built(load(request.param))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def png(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def test_score_and_verdict_are_those_of_predict_alone_and_together(detector, pool, tmp_path):
    files = [tmp_path / f"{seed}.png" for seed in range(40)]
    for seed, file in enumerate(files):
        file.write_bytes(png(seed, (20 + seed, 30)))
    expected = detector.judge(files)
    posted = [Posted(file.read_bytes()) for file in files]
    together = [reply.row for reply in replies(detector, posted, pool)]
    alone = [replies(detector, [one], pool)[0].row for one in posted[:5]]
    assert [row.verdict for row in together] == expected.verdict.tolist()
    assert [row.score for row in together] == expected.score.tolist()
    assert [row.verdict for row in alone] == expected.verdict[:5].tolist()
    assert [row.score for row in alone] == pytest.approx(expected.score[:5].tolist(), rel=1e-5)


def test_a_bad_picture_among_good_ones_has_an_error_of_one_line_and_harms_none(detector, pool):
    good = png(1)
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, format="PNG")
    found = replies(detector, [Posted(good), Posted(good[:-300]), Posted(b"no"), Posted(bomb.getvalue())], pool)
    assert [reply.row.verdict is None for reply in found] == [False, True, True, True]
    reasons = ["", "the picture: ", "the picture: not a picture of a known format", "which is no photograph"]
    assert all(reason in (reply.row.error or "") for reason, reply in zip(reasons, found, strict=True))
    assert not any("\n" in (reply.row.error or "") for reply in found)
    assert found[0].looks["height_px"] == 40 and found[1].looks is None


def test_a_heat_map_is_drawn_where_it_is_asked_for(detector, pool, tmp_path):
    (tmp_path / "part.png").write_bytes(png(1))
    asked, other, bad = replies(detector, [Posted(png(1), True), Posted(png(1)), Posted(b"no", True)], pool)
    assert other.heat_map is None and bad.heat_map is None
    drawn, expected = Image.open(io.BytesIO(asked.heat_map)), detector.heat_map(tmp_path / "part.png")
    assert np.array_equal(np.asarray(drawn), np.asarray(expected))
