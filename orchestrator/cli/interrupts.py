"""Ctrl-C once ends a run in order, within seconds; twice ends it at once. Neither loses a finished row."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from orchestrator.cli import INTERRUPTED

GRACE_S = 8.0  # for an orderly end


class Interrupts:
    """Handles SIGINT and SIGTERM: the first raises KeyboardInterrupt in the main thread, or only sets `came` where it
    `raises` nothing; the second, or GRACE_S later, ends the process. `farewell` is then its last line."""

    def __init__(self, farewell: str, raises: bool = True):
        self.farewell, self.raises, self.came = farewell, raises, False
        self.screen = os.dup(2)  # stderr as it was: a backend may send its own to a file
        self.timer = threading.Timer(GRACE_S, self._end)
        self.timer.daemon = True

    def install(self) -> None:
        """Again after Ray has started: it has put a handler of its own in place."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._first)

    def _first(self, number: int, frame) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda number, frame: self._end())
        self._say("defectsweep: stopping; what is finished is kept (Ctrl-C again ends at once)")
        self.timer.start()
        self.came = True
        if self.raises:
            raise KeyboardInterrupt

    def _end(self) -> None:
        self._say(self.farewell)
        os._exit(INTERRUPTED)

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self.screen, f"\n{text}\n".encode())


@contextlib.contextmanager
def handled(farewell: str, raises: bool = True) -> Iterator[Interrupts]:
    """Interrupts are handled while the context lasts."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interrupts = Interrupts(farewell, raises)
    interrupts.install()
    try:
        yield interrupts
    finally:
        interrupts.timer.cancel()
        os.close(interrupts.screen)
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
