"""Numbers and times as people read them."""


def count(number: int, one: str, many: str | None = None) -> str:
    """"1 job", "1,200 jobs"; `many` where the plural is not of an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """1 h 02 min, 3 min 04 s, 5 s."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
