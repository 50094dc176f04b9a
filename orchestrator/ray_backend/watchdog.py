"""Ends the run when Ray has died under it: a call into a dead Ray returns late or never."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import TextIO

import ray

from orchestrator.ray_backend.cluster import answers

EVERY_S, MISSES = 2.0, 3
FAREWELL = "Every row that was finished is kept; run the same command again."


@contextlib.contextmanager
def watched(screen: TextIO, farewell: str = FAREWELL) -> Iterator[None]:
    """While the context lasts, a thread asks this node's raylet and the cluster's control service (GCS) for a sign of
    life. After MISSES without one it says so on `screen`, with `farewell`, and ends the process with status 1."""
    over = threading.Event()
    threading.Thread(target=_watch, args=(screen, farewell, over), name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(screen: TextIO, farewell: str, over: threading.Event) -> None:
    node = ray._private.worker.global_worker.node
    if node is None:
        return  # a client from outside the cluster (ray://), which notices by itself
    gcs, raylet = ray.get_runtime_context().gcs_address, node.raylet_socket_name
    signs = {
        f"its control service (GCS) does not answer at {gcs}": lambda: answers(gcs),
        "the raylet of this node does not answer": lambda: _listens(raylet),
    }
    missed = dict.fromkeys(signs, 0)
    while not over.wait(EVERY_S):
        for what, is_there in signs.items():
            missed[what] = 0 if is_there() else missed[what] + 1
            if missed[what] >= MISSES and not over.is_set():
                screen.write(f"\ndefectsweep: Ray has died: {what}. {farewell}\n")
                screen.flush()
                os._exit(1)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(EVERY_S)
        try:
            client.connect(path)
        except OSError:
            return False
    return True
