"""Draws docs/house.svg: the rooms of orchestrator/ on their floors, an arrow for each room that another one imports.

`python docs/draw_house.py` reads the imports from the source. A room stands one floor above the highest room that it
imports, so that every arrow points down; a circle is an error. The same imports give the same bytes.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
HOUSE = CHECKOUT / "orchestrator"
PICTURE = CHECKOUT / "docs/house.svg"
GROUND = {"metrics", "errors", "words", "hashes"}  # on the ground floor, and imported from everywhere: no arrows
WIDTH, BOX, HEIGHT, GAP = 960, 150, 40, 52  # of the picture, of a room, between two floors
LANES = {  # room -> its place from left to right, in hundredths, so that few arrows cross; others spread evenly
    "run_all": 36, "run": 64, "cli": 50, "local_backend": 12, "ray_backend": 36, "tracking": 62, "display": 88,
    "sweep": 24, "estimate": 26, "deploy": 52, "training": 36, "report": 70, "experiment": 36, "ranking": 86,
    "results": 60,
}  # fmt: skip
COLOURS = ("#004488", "#aa7700", "#bb5566", "#117733", "#882255", "#0077aa", "#665500", "#444444")

Rooms = dict[str, set[str]]  # room -> the rooms that it imports


def room_of(file: Path) -> str:
    """The folder of a module, or the module itself where it lies beside the folders."""
    return file.relative_to(HOUSE).with_suffix("").parts[0]


def imported(file: Path) -> set[str]:
    """The names below `orchestrator` that a module imports, within functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("orchestrator.")}


def rooms() -> Rooms:
    """Every room and what it imports, sorted by name."""
    files = [file for file in sorted(HOUSE.rglob("*.py")) if file != HOUSE / "__init__.py"]
    names = {room_of(file) for file in files}
    return {name: set().union(*(imported(file) for file in files if room_of(file) == name)) & names - {name}
            for name in sorted(names)}  # fmt: skip


def floors(arrows: Rooms) -> list[list[str]]:
    """The rooms of each floor, the ground first. Raises CycleError, which names the rooms of a circle."""
    level: dict[str, int] = {}
    for name in TopologicalSorter(arrows).static_order():
        level[name] = 0 if name in GROUND else 1 + max((level[other] for other in arrows[name]), default=0)
    house = [sorted(name for name in level if level[name] == floor) for floor in range(max(level.values()) + 1)]
    return [floor for floor in house if floor]


def shown(arrows: Rooms) -> Rooms:
    """The arrows that are drawn: none to the ground, and none that a way through other rooms says already."""
    def reach(name: str) -> set[str]:
        return arrows[name].union(*(reach(other) for other in arrows[name]))

    return {name: {other for other in sorted(targets - GROUND)
                   if not any(other in reach(between) for between in targets - {other})}
            for name, targets in arrows.items()}  # fmt: skip


def draw(arrows: Rooms) -> str:
    """The house as SVG."""
    house = floors(arrows)
    height = len(house) * (HEIGHT + GAP) + GAP
    places: dict[str, tuple[int, int]] = {}  # room -> the middle of its upper edge
    for floor, names in enumerate(house):
        y = height - (floor + 1) * (HEIGHT + GAP)
        for i, name in enumerate(names):
            lane = LANES.get(name, 100 * (2 * i + 1) / (2 * len(names)))
            places[name] = (round(WIDTH * lane / 100), y)
    lines = []
    for i, (name, targets) in enumerate(shown(arrows).items()):
        colour = COLOURS[i % len(COLOURS)]
        for other in sorted(targets):
            (x, y), (to_x, to_y) = places[name], places[other]
            lines.append(f'<path d="M{x} {y + HEIGHT} C{x} {y + HEIGHT + 40} {to_x} {to_y - 45} {to_x} {to_y - 5}" '
                         f'stroke="{colour}" fill="none" stroke-width="1.5" marker-end="url(#end)"/>')  # fmt: skip
    for name, (x, y) in places.items():
        label = f"{name}/" if (HOUSE / name).is_dir() else f"{name}.py"
        lines.append(f'<rect x="{x - BOX // 2}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="6" '
                     'fill="#f4f6f9" stroke="#334455"/>')  # fmt: skip
        lines.append(f'<text x="{x}" y="{y + 25}" text-anchor="middle">{label}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="15">',
        "<title>The rooms of orchestrator/: a room imports only rooms below it</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#334455"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *lines,
        "</svg>",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    PICTURE.write_text(draw(rooms()))
