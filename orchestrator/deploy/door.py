"""The door of a service: an ASGI application, requests -> answers, all of them JSON. Knows neither Ray nor a detector.

    POST /judge/CATEGORY, or /judge where there is one     the bytes of a picture's file -> its answer
    GET  /detectors                                        who judges, and what was judged
    GET  /healthz                                          whether all can be judged; for anybody, whatever the token
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from orchestrator.deploy.desk import Desk, NoReplyError, RefusedError
from orchestrator.deploy.posted import Posted
from orchestrator.errors import describe, did_you_mean

MB = 1 << 20
LARGEST_BYTES = 64 * MB  # of a picture's file
MOST_HELD_BYTES = 8 * LARGEST_BYTES  # of pictures that are being received or judged
BODY_S = 60.0  # until a picture must have arrived
JUDGE = "/judge"
HOW = "POST the bytes of its file, as 'curl --data-binary @part.png' does"

Receive, Send = Callable[[], Awaitable[dict]], Callable[[dict], Awaitable[None]]


class Refusal(Exception):
    """A request that gets no answer but an error of one line."""

    def __init__(self, status: int, line: str, **headers: str):
        super().__init__(line)
        self.status, self.headers = status, headers


class GoneError(Exception):
    """Who has sent a request does not wait for its answer."""


class Door:
    """`desks` by category. `closed` says which of them nobody judges at now; `tell` gets a line for each error of the
    program. Where there is a `token`, a request must bear it."""

    def __init__(
        self, desks: Mapping[str, Desk], closed: Callable[[], Awaitable[list[str]]], token: str | None,
        tell: Callable[[str], object],
    ):  # fmt: skip
        self.desks, self.closed, self.token, self.tell = desks, closed, token, tell
        self.held_bytes = 0

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers: dict[str, str] = {}
        try:
            status, answer = 200, await self._answer(scope, receive)
        except GoneError:
            return
        except Refusal as refusal:
            status, answer, headers = refusal.status, {"error": str(refusal)}, refusal.headers
        except RefusedError as error:
            status, answer = 400, {"error": str(error)}
        except NoReplyError as error:
            status, answer, headers = 503, {"error": f"{error}; send it again in a moment"}, {"retry_after": "1"}
        except Exception as error:
            self.tell(f"{scope['method']} {scope['path']} failed: {describe(error)}")
            status, answer = 500, {"error": "the service made a mistake, which it has told on its screen"}
        content = json.dumps(answer).encode() + b"\n"
        sent = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        names = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": names})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: dict, receive: Receive) -> dict[str, Any]:
        path, headers = scope["path"].rstrip("/"), dict(scope["headers"])
        if path == "/healthz":
            return await self._health(scope)
        self._check_token(headers)
        if path == "/detectors":
            _check_method(scope, "GET", "HEAD")
            return {"detectors": [desk.about() for desk in self.desks.values()]}
        if path == JUDGE or path.startswith(f"{JUDGE}/"):
            _check_method(scope, "POST")
            desk, is_drawn = self._desk(path), _asks_for_heat_map(scope)
            async with self._received(headers, receive) as content:
                return await desk.judge(Posted(content, is_drawn))
        raise Refusal(404, f"there is no such page. There are: POST {JUDGE}/CATEGORY, GET /detectors, GET /healthz.")

    async def _health(self, scope: dict) -> dict[str, Any]:
        _check_method(scope, "GET", "HEAD")
        if closed := await self.closed():
            raise Refusal(503, f"no replica judges {', '.join(closed)} now; one is being started", retry_after="1")
        return {"status": "ok"}

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        if self.token is None:
            return
        expected = f"Bearer {self.token}".encode()
        if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
            raise Refusal(401, "the header 'Authorization: Bearer TOKEN' is expected", www_authenticate="Bearer")

    def _desk(self, path: str) -> Desk:
        name = path.removeprefix(JUDGE).removeprefix("/")
        if not name and len(self.desks) == 1:
            return next(iter(self.desks.values()))
        there_are = f"There are: {', '.join(self.desks)}."
        if not name:
            raise Refusal(404, f"which category? POST to {JUDGE}/CATEGORY. {there_are}")
        if name not in self.desks:
            raise Refusal(404, f"category {name!r} is not served here.{did_you_mean(name, self.desks)} {there_are}")
        return self.desks[name]

    @contextlib.asynccontextmanager
    async def _received(self, headers: Mapping[bytes, bytes], receive: Receive) -> AsyncIterator[bytes]:
        """The body of a request, whose bytes are held while the context lasts."""
        _check_kind(headers)
        content = bytearray()
        try:
            await self._receive(content, receive)
            if not content:
                raise Refusal(400, f"the request has no picture: {HOW}")
            yield bytes(content)
        finally:
            self.held_bytes -= len(content)

    async def _receive(self, content: bytearray, receive: Receive) -> None:
        is_whole = False
        try:
            async with asyncio.timeout(BODY_S):
                while not is_whole:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    part = message.get("body", b"")
                    content += part
                    self.held_bytes += len(part)
                    _check_size(len(content))
                    if self.held_bytes > MOST_HELD_BYTES:
                        raise NoReplyError("too many pictures are waiting")
                    is_whole = not message.get("more_body", False)
        except TimeoutError:
            raise Refusal(408, f"the picture has not arrived within {BODY_S:.0f} s") from None


def _check_method(scope: dict, *allowed: str) -> None:
    if scope["method"] not in allowed:
        raise Refusal(405, f"{allowed[0]} is expected, not {scope['method']}", allow=", ".join(allowed))


def _check_kind(headers: Mapping[bytes, bytes]) -> None:
    """Refuses, before it is sent, what is no picture's file or too large."""
    if headers.get(b"content-type", b"").startswith(b"multipart/"):
        raise Refusal(415, f"the picture is wrapped in a form: {HOW}")
    _check_size(int(headers.get(b"content-length", b"0")))


def _check_size(size_bytes: int) -> None:
    if size_bytes > LARGEST_BYTES:
        raise Refusal(413, f"the picture's file is larger than {LARGEST_BYTES // MB} MB")


def _asks_for_heat_map(scope: dict) -> bool:
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(asked) - {"heat_map"})
    if unknown or asked.get("heat_map", ["png"]) != ["png"]:
        raise Refusal(400, "the query '?heat_map=png', or none, is expected")
    return bool(asked)
