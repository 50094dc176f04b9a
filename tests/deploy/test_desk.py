"""A category of a service: its answers, its counts, and what has changed in how its pictures look."""

import asyncio
import base64
import dataclasses
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from orchestrator.deploy.desk import Desk, RefusedError
from orchestrator.deploy.detector import built
from orchestrator.deploy.posted import Posted, replies
from orchestrator.metrics import looks


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def desk(load, told) -> Desk:
    """Of a detector that learned from grey pictures."""
    found = load("mean_image")
    known = looks.quantiles({"brightness": np.linspace(0.45, 0.55, 50)})
    detector = built(dataclasses.replace(found, config=dataclasses.replace(found.config, looks=known)))

    async def ask(picture: Posted):
        with ThreadPoolExecutor(1) as pool:
            return replies(detector, [picture], pool)[0]

    return Desk(detector.checkpoint.config, ask, told.append)


def judge(desk: Desk, content: bytes, heat_map: bool = False) -> dict:
    return asyncio.run(desk.judge(Posted(content, heat_map)))


def test_an_answer_is_the_row_in_short(desk):
    answer = judge(desk, png(128))
    assert list(answer) == ["score", "verdict", "threshold", "ms", "detector"]
    assert answer["verdict"] == ("defective" if answer["score"] >= 0.5 else "good") and answer["threshold"] == 0.5
    assert answer["detector"] == desk.config.job_id and answer["ms"] > 0
    drawn = judge(desk, png(128), heat_map=True)["heat_map"]
    assert Image.open(io.BytesIO(base64.b64decode(drawn))).format == "PNG"


def test_it_counts_what_was_judged_and_refused(desk):
    verdicts = [judge(desk, png(level))["verdict"] for level in (128, 255, 128)]
    with pytest.raises(RefusedError, match="the picture: not a picture"):
        judge(desk, b"no picture")
    about = desk.about()
    assert (about["judged"], about["defective"], about["refused"]) == (3, verdicts.count("defective"), 1)
    assert about["detector"] == desk.config.job_id and about["selection_split"] == "val"


def test_another_light_is_told_once_with_the_first_picture_of_it_and_is_kept(desk, told):
    for level in (128,) * 10 + (30,) * 40:
        judge(desk, png(level))
    (line,) = told
    assert "bottle: from picture 11 (20" in line and "are darker than those" in line
    assert [f"bottle: {change}" for change in desk.about()["changes"]] == told
