"""The exceptions that a user is meant to read, and how any text becomes fit to be read."""

from difflib import get_close_matches


class InputError(Exception):
    """A mistake of the user's: one line that says what was found, what was expected, and what to do. Exit status 2."""


class RunError(Exception):
    """What ends a run that was well asked for, such as a full disk: one line that says what happened, what is kept, and
    what to do. Exit status 1."""


def choice(kind: str, found: str, known: list[str] | tuple[str, ...]) -> str:
    """Returns `found` if it is one of `known`; raises InputError that names the nearest, and all that there are."""
    if found in known:
        return found
    near = get_close_matches(found, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{kind} {found!r} does not exist.{hint} There are: {', '.join(known)}.")


def printable(text: str) -> str:
    """`text` as one line that only shows: what is no visible character (line ends, terminal commands, marks that turn
    the direction of writing) as Python's repr would escape it. Names come from files and rows of anybody's making."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
