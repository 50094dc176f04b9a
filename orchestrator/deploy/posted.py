"""Pictures that are sent to a service -> its replies, all that came together at a time. Knows neither HTTP nor Ray."""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orchestrator.deploy.heat_maps as heat_maps
from datasets.picture import pixels_of
from orchestrator.deploy.detector import TrainedDetector
from orchestrator.deploy.judging import Judged, Prediction, Source, Times, judged

NAME = "the picture"  # has none of its own


@dataclass(frozen=True)
class Posted:
    """A picture, as it was sent."""

    content: bytes  # of its file
    heat_map: bool = False  # whether one is asked for


@dataclass(frozen=True)
class Reply:
    """Its row; where it has a verdict, how it looks, and the heat map as a PNG file if it is asked for."""

    row: Prediction
    looks: dict[str, float] | None = None
    heat_map: bytes | None = None


def replies(detector: TrainedDetector, pictures: Sequence[Posted], pool: ThreadPoolExecutor) -> list[Reply]:
    """A reply to each picture, in order. The threads of `pool` read and draw."""
    sources = [Source(NAME, NAME, functools.partial(pixels_of, picture.content, NAME)) for picture in pictures]
    config = detector.checkpoint.config
    found = [one for chunk in judged(detector.network, config, sources, pool, Times()) for one in chunk]

    def reply(one: Judged, picture: Posted) -> Reply:
        is_drawn = picture.heat_map and one.row.verdict is not None
        drawn = heat_maps.draw(one.shown, one.heat, config, one.row.score) if is_drawn else None
        return Reply(one.row, one.looks, drawn)

    return list(pool.map(reply, found, pictures))
