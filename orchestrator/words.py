"""Numbers, times and foreign text as people read them."""


def count(number: int, one: str, many: str | None = None) -> str:
    """"1 job", "1,200 jobs"; `many` where the plural is not of an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """1 h 02 min, 3 min 04 s, 5 s."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def printable(text: str) -> str:
    """`text` as one line that only shows: what is no visible character (line ends, terminal commands, marks that turn
    the direction of writing) as Python's repr would escape it. Names come from files and rows of anybody's making."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def cell(text: str) -> str:
    """A text in CSV, behind an apostrophe where a spreadsheet would take it for a formula and run it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def one_line(text: object) -> str:
    """An error, or any text, with a space for each end of a line."""
    return " ".join(str(text).split())
