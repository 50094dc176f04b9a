"""The exceptions that a user is meant to read, and any other in one line."""

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from orchestrator.words import one_line


class InputError(Exception):
    """A mistake of the user's: one line that says what was found, what was expected, and what to do. Exit status 2."""


class RunError(Exception):
    """What ends a run that was well asked for, such as a full disk: one line that says what happened, what is kept, and
    what to do. Exit status 1."""


def choice(kind: str, found: str, known: list[str] | tuple[str, ...]) -> str:
    """Returns `found` if it is one of `known`; raises InputError that names the nearest, and all that there are."""
    if found in known:
        return found
    raise InputError(f"{kind} {found!r} does not exist.{did_you_mean(found, known)} There are: {', '.join(known)}.")


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """The nearest known word as a question behind a sentence; "" where none is near."""
    near = nearest(found, known)
    return f" Did you mean {near!r}?" if near else ""


def nearest(found: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another one, if any is."""
    return next(iter(get_close_matches(found, known, n=1)), None)


def describe(exception: BaseException) -> str:
    """One line: what, and where in the code."""
    frames = traceback.extract_tb(exception.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(exception).__name__}: {one_line(exception)}{where}"
