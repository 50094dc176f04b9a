"""The door of a service, as an ASGI server calls it: every request gets JSON, and a mistake one clear line."""

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import orchestrator.deploy.door as door_module
from orchestrator.deploy.desk import Desk, NoReplyError
from orchestrator.deploy.detector import built
from orchestrator.deploy.door import Door
from orchestrator.deploy.posted import Posted, replies

TOKEN = "s3cret"


@pytest.fixture
def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def desk(load, told) -> Desk:
    detector = built(load("mean_image"))

    async def ask(posted: Posted):
        with ThreadPoolExecutor(1) as pool:
            return replies(detector, [posted], pool)[0]

    return Desk(detector.checkpoint.config, ask, told.append)


@pytest.fixture
def make_door(desk, told):
    async def none_closed() -> list[str]:
        return []

    def make(*categories: str, token: str | None = None, closed=none_closed) -> Door:
        return Door(dict.fromkeys(categories or ("bottle",), desk), closed, token, told.append)

    return make


def request(
    door: Door, method: str, target: str, *parts: bytes, **headers: str
) -> tuple[int, dict, dict[bytes, bytes]]:
    """Status, answer and headers; the body is sent in parts."""
    path, _, query = target.partition("?")
    names = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": names}
    last = len(parts) - 1
    messages = [{"type": "http.request", "body": part, "more_body": i < last} for i, part in enumerate(parts)]
    coming, sent = iter(messages or [{"type": "http.request"}]), []

    async def receive() -> dict:
        return next(coming, {"type": "http.disconnect"})

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    start, body = sent
    assert door.held_bytes == 0 and dict(start["headers"])[b"content-type"] == b"application/json"
    return start["status"], json.loads(body["body"]), dict(start["headers"])


def error(answer: tuple[int, dict, dict]) -> tuple[int, str]:
    """Of an answer that has nothing else."""
    status, content, _ = answer
    assert list(content) == ["error"] and "\n" not in content["error"]
    return status, content["error"]


def test_a_picture_is_judged_in_however_many_parts_it_comes(make_door, picture):
    door = make_door()
    status, whole, _ = request(door, "POST", "/judge/bottle", picture)
    assert status == 200 and whole["verdict"] in ("good", "defective")
    _, parts, _ = request(door, "POST", "/judge/bottle", picture[:100], picture[100:], b"")
    assert parts["score"] == whole["score"]
    assert "heat_map" in request(door, "POST", "/judge/bottle?heat_map=png", picture)[1]


def test_the_category_may_be_left_out_where_there_is_one(make_door, picture):
    assert request(make_door(), "POST", "/judge", picture)[0] == 200
    two = make_door("bottle", "cap")
    status, line = error(request(two, "POST", "/judge", picture))
    assert status == 404 and line.endswith("There are: bottle, cap.")
    status, line = error(request(two, "POST", "/judge/botle", picture))
    assert status == 404 and "'botle' is not served here. Did you mean 'bottle'?" in line


def test_detectors_and_health(make_door):
    door = make_door()
    status, answer, _ = request(door, "GET", "/detectors")
    assert status == 200 and [about["category"] for about in answer["detectors"]] == ["bottle"]
    assert request(door, "GET", "/healthz")[:2] == (200, {"status": "ok"})

    async def closed() -> list[str]:
        return ["bottle"]

    status, line = error(request(make_door(closed=closed), "GET", "/healthz"))
    assert status == 503 and "no replica judges bottle now" in line


@pytest.mark.parametrize("sent", [{}, {"authorization": "Bearer s3cre"}, {"authorization": f"Basic {TOKEN}"}])
def test_all_but_the_health_takes_the_token(make_door, picture, sent):
    door = make_door(token=TOKEN)
    for method, path in (("POST", "/judge"), ("GET", "/detectors"), ("GET", "/elsewhere")):
        answer = request(door, method, path, picture, **sent)
        assert error(answer) == (401, "the header 'Authorization: Bearer TOKEN' is expected")
        assert answer[2][b"www-authenticate"] == b"Bearer"
        assert request(door, method, path, picture, authorization=f"Bearer {TOKEN}")[0] != 401
    assert request(door, "GET", "/healthz", **sent)[0] == 200


@pytest.mark.parametrize(
    ("method", "target", "parts", "headers", "status", "line"),
    [
        ("POST", "/judge", [b"no picture"], {}, 400, "the picture: not a picture of a known format"),
        ("POST", "/judge", [], {}, 400, "the request has no picture"),
        ("POST", "/judge?heat_map=svg", [b"x"], {}, 400, "'?heat_map=png', or none"),
        ("POST", "/judge?heatmap=png", [b"x"], {}, 400, "'?heat_map=png', or none"),
        ("POST", "/judge", [b"x"], {"content_type": "multipart/form-data; boundary=x"}, 415, "--data-binary @part.png"),
        ("POST", "/judge", [], {"content_length": "1001"}, 413, "larger than 0 MB"),
        ("POST", "/judge", [bytes(600), bytes(600)], {}, 413, "larger than 0 MB"),
        ("GET", "/judge", [], {}, 405, "POST is expected, not GET"),
        ("POST", "/healthz", [], {}, 405, "GET is expected, not POST"),
        ("GET", "/", [], {}, 404, "There are: POST /judge/CATEGORY, GET /detectors, GET /healthz."),
    ],
)
def test_a_mistake_is_one_line(make_door, monkeypatch, method, target, parts, headers, status, line):
    monkeypatch.setattr(door_module, "LARGEST_BYTES", 1000)
    found = error(request(make_door(), method, target, *parts, **headers))
    assert found[0] == status and line in found[1]


def test_too_many_pictures_at_once_are_sent_away(make_door, desk, monkeypatch, picture):
    door = make_door()
    monkeypatch.setattr(door_module, "MOST_HELD_BYTES", len(picture) - 1)
    assert error(request(door, "POST", "/judge", picture))[0] == 503

    async def ask(posted: Posted):
        raise NoReplyError("nobody is there")

    monkeypatch.undo()
    desk.ask = ask
    status, content, headers = request(door, "POST", "/judge", picture)
    assert (status, content) == (503, {"error": "nobody is there; send it again in a moment"})
    assert headers[b"retry-after"] == b"1"


def test_who_is_too_slow_is_told(make_door, monkeypatch):
    monkeypatch.setattr(door_module, "BODY_S", 0.01)
    sent = []

    async def receive() -> dict:
        await asyncio.sleep(60)

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/judge", "query_string": b"", "headers": []}
    asyncio.run(make_door()(scope, receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("mistake", [ZeroDivisionError, TimeoutError])
def test_a_mistake_of_the_program_is_told_on_its_screen_alone(make_door, desk, told, picture, mistake):
    async def ask(posted: Posted):
        raise mistake("inside")

    desk.ask = ask
    status, line = error(request(make_door(), "POST", "/judge", picture))
    assert status == 500 and "inside" not in line
    assert f"POST /judge failed: {mistake.__name__}: inside (test_door.py:" in told[0]
