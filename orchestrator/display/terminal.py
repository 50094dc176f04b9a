"""Text that fits a screen of any width and height, by fewer columns and shorter words, never by broken ones; and a
screen that may go away while a program writes to it."""

import contextlib
import os
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions

from orchestrator.words import printable

MORE = "…"


def is_plain(file: TextIO) -> bool:
    """Whether only plain lines belong there: no terminal, or one that nobody watches or that cannot draw."""
    if not file.isatty() or os.environ.get("CI") or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return True
    try:
        return 0 in os.get_terminal_size(file.fileno())
    except (OSError, ValueError):  # a file that only says so
        return False


class Screen(Console):
    """A terminal to draw on, as wide and high as it is now, whatever stdin and stdout are."""

    def __init__(self, file: TextIO):
        super().__init__(file=file, force_terminal=True, highlight=False, markup=False, emoji=False)

    @property
    def size(self) -> ConsoleDimensions:
        """As it is now: a terminal may be resized."""
        try:
            return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))
        except (OSError, ValueError):
            return super().size


class Outlived:
    """A screen that may go away, as when the reader of a pipe ends: what is written then is lost, and no more."""

    def __init__(self, file: TextIO):
        self.file = file
        if hasattr(file, "reconfigure"):
            file.reconfigure(errors="backslashreplace")  # names may not be in the screen's letters

    def write(self, text: str) -> int:
        """As a file's; returns the number of characters."""
        with self._outlived():
            self.file.write(text)
        return len(text)

    def flush(self) -> None:
        """As a file's."""
        with self._outlived():
            self.file.flush()

    def isatty(self) -> bool:
        """As a file's."""
        return self.file.isatty()

    def fileno(self) -> int:
        """As a file's."""
        return self.file.fileno()

    @contextlib.contextmanager
    def _outlived(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            _to_nowhere(self.file)


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """What is printed within is lost where the reader of stdout has gone, and no more."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
    except SystemExit:  # rich's answer to the same, when it has sent stdout nowhere
        pass


def _to_nowhere(file: TextIO) -> None:
    """From here on, what is written to `file`, and what its buffer still holds, is lost without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def wrapped(parts: Sequence[str], width: int) -> list[str]:
    """The parts, with a dot between two, in as few lines as hold them; a longer part is broken between words."""
    lines: list[str] = []
    for part in map(printable, parts):
        if lines and cell_len(f"{lines[-1]} · {part}") <= width:
            lines[-1] += f" · {part}"
        else:
            lines += textwrap.wrap(part, max(1, width), break_long_words=False, break_on_hyphens=False)
    return [shortened(line, width) for line in lines]


def table(
    names: Sequence[str], rows: Sequence[Sequence[str]], width: int, dispensable: Sequence[str] = (),
    numbers: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """A line of names, then one a row, none wider than `width`. Where that is too narrow, the `dispensable` columns go,
    the first named first; then the widest words are shortened. `numbers` stand to the right."""
    columns = {name: [printable(text) for text in (name, *cells)] for name, *cells in zip(names, *rows, strict=True)}
    widths = {name: max(map(cell_len, cells)) for name, cells in columns.items()}
    for name in dispensable:
        if _line_width(widths) > width:
            widths.pop(name, None)
    while _line_width(widths) > width and max(widths.values()) > 1:
        widths[max(widths, key=widths.get)] -= 1
    lines = []
    for place in range(1 + len(rows)):
        cells = []
        for name, room in widths.items():
            text = shortened(columns[name][place], room)
            gap = " " * (room - cell_len(text))
            cells.append(gap + text if name in numbers else text + gap)
        lines.append(shortened("  ".join(cells).rstrip(), width))
    return lines


def _line_width(widths: dict[str, int]) -> int:
    return sum(widths.values()) + 2 * (len(widths) - 1)


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` cells of a terminal."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + MORE


def stacked(head: Sequence[str], blocks: Sequence[Sequence[str]], height: float) -> list[str]:
    """The head, then those blocks, each a title and lines below it, that have lines: with an empty line between two if
    `height` allows. Otherwise as many lines of each as there is room for, half of it at least for the first of two."""
    blocks = [block for block in blocks if len(block) > 1]
    if len(head) + sum(1 + len(block) for block in blocks) <= height:
        return [*head, *(line for block in blocks for line in ("", *block))]
    lines, room = list(head), int(height) - len(head)
    for place, block in enumerate(blocks):
        share = -(-room // (len(blocks) - place))
        mine = min(len(block), max(share, room - sum(map(len, blocks[place + 1 :]))))
        if mine > 1:
            lines += [block[0], *cut(block[1:], mine - 1)]
            room -= mine
    return lines[: max(1, int(height))]


def cut(lines: Sequence[str], height: int) -> list[str]:
    """As many lines as fit; the last of them says how many did not."""
    if len(lines) <= height:
        return list(lines)
    kept = max(0, height - 1)
    return [*lines[:kept], f"{MORE} {len(lines) - kept} more"][: max(0, height)]
