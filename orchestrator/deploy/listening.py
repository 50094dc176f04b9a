"""Where a service listens, and the server that runs an ASGI application there."""

import contextlib
import importlib.util
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator

from orchestrator.errors import InputError

NEEDED = ("fastapi", "starlette", "uvicorn")  # of Ray Serve
LOCALHOST = "localhost"
LAST_PORT = 65_535
BACKLOG = 2048  # connections that wait to be taken
LAST_S = 3  # for what is being judged, at the end


def require() -> None:
    """Raises InputError unless what a service needs is installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"serve needs Ray Serve ({', '.join(missing)} missing): pip install 'defectsweep[serve]'.")


def check(host: str, token: str | None) -> None:
    """Raises InputError where others could reach the service without a token, and for what can be none."""
    if token is None:
        if not _is_of_this_machine_alone(host):
            raise InputError(f"--host {host} lets other machines in: say a --token TEXT too, which they must send.")
    elif not token or not all("!" <= sign <= "~" for sign in token):
        raise InputError("--token: letters, digits and signs of ASCII are expected, without a space. Name another.")


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there, on any free port if that is 0. Raises InputError where it cannot."""
    if not 0 <= port <= LAST_PORT:
        raise InputError(f"--port {port}: from 0 to {LAST_PORT} is expected.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"nothing can listen at --host {host} --port {port} ({error.strerror}). Name another --port, or for --host "
            "an address of this machine."
        ) from None


def url(listening: socket.socket) -> str:
    """Where it is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def open_at(listening: socket.socket, application: Callable) -> Iterator[threading.Thread]:
    """Serves while the context lasts, in a thread; at its end, those who wait get their answers."""
    import uvicorn

    config = uvicorn.Config(
        application, lifespan="off", ws="none", access_log=False, log_config=None, server_header=False,
        timeout_graceful_shutdown=LAST_S,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="door", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def _is_of_this_machine_alone(host: str) -> bool:
    try:
        return host == LOCALHOST or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
