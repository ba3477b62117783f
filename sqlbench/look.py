"""How every figure looks: the style file, and one colour for an arm and for a policy everywhere.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which the colour-blind can tell
apart; there are more policies than colours, so each has a line style and a marker of its own too,
which also carry a figure that is printed in grey.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import wraps
from importlib import resources
from itertools import product
from typing import Any, NamedTuple, ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sqlbench.policies.registry import POLICY_NAMES
from sqlbench.repair import ARMS

STYLE = str(resources.files("sqlbench") / "sqlbench.mplstyle")
INK = "#333333"
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, GREY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#7F7F7F", "#F0E442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY, BLACK)
ARM_COLOURS = dict(
    zip(map(str, ARMS), (BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY, YELLOW), strict=True)
)

P = ParamSpec("P")
R = TypeVar("R")
Dash = str | tuple[int, tuple[float, ...]]


class Look(NamedTuple):
    """How a policy is drawn: its colour, the style of its lines, its marker."""

    colour: str
    dash: Dash
    marker: str


_DASHES: tuple[Dash, ...] = ((0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (3, 1)))
_MARKERS = ("D", "v", "P", "X", "h", "<", ">", "p")
_POLICIES = {
    "linucb": Look(BLUE, "-", "o"),
    "lints": Look(PINK, (0, (6, 1.5)), "D"),
    "epsilon-greedy": Look(SKY, (0, (6, 1.5, 1, 1.5)), "v"),
    "ucb1": Look(RED, (0, (3, 1)), "P"),
    "table": Look(GREEN, (0, (8, 1.5, 2, 1.5)), "^"),
    "rules": Look(ORANGE, (0, (4, 1.5)), "s"),
    "random": Look(GREY, (0, (1.5, 1)), "X"),
    "resample": Look(BLACK, (0, (2, 1.5)), "h"),
    "oracle": Look(BLACK, "-", "*"),
    **{f"fixed:{arm}": Look(c, (0, (1, 1)), "<") for arm, c in ARM_COLOURS.items()},
}
assert _POLICIES.keys() == set(POLICY_NAMES)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in the project's look, whatever the caller's is (a dark style, say)."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.style.context(STYLE, after_reset=True):
            return draw(*args, **kwargs)

    return drawn


def policy_look(name: str) -> Look | None:
    """Return how a policy is drawn, in whatever company; None for a name that is no policy's.

    Parameters
    ----------
    name : str
        Its spec, or a name that begins like one ("linucb, γ = 0.99"): a variant of a policy has a
        colour or a darker one, with a line style and a marker that its name decides.
    """
    if name in _POLICIES:
        return _POLICIES[name]
    base = max((p for p in _POLICIES if _is_variant(name, p)), key=len, default=None)
    if base is None:
        return None
    place = zlib.crc32(name.removeprefix(base).encode())
    colour = _POLICIES[base].colour
    return Look(
        _darker(colour) if place % 2 else colour,
        _DASHES[place // 2 % len(_DASHES)],
        _MARKERS[place // 8 % len(_MARKERS)],
    )


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return how each of several variants is drawn, so that no two look alike.

    Parameters
    ----------
    names : iterable of str
        All that belong together, whichever are drawn: a name that is no policy's takes the next
        colour that nobody has.
    """
    found: dict[str, Look] = {}
    strangers = []
    for name in names:
        look = policy_look(name)
        if look is None:
            strangers.append(name)
        else:
            lines = {(other.colour, other.dash) for other in found.values()}
            shades = (look.colour, _darker(look.colour))
            others = (look._replace(colour=c, dash=d) for c, d in product(shades, _DASHES))
            # Two hashes may agree.
            free = (one for one in (look, *others) if (one.colour, one.dash) not in lines)
            found[name] = next(free, look)
    taken = {look.colour for look in found.values()}
    lines = {(look.colour, look.dash) for look in found.values()}
    new: list[tuple[str, Dash]] = [(colour, "-") for colour in COLOURS if colour not in taken]
    new += [(c, d) for d, c in product(_DASHES, COLOURS) if (c, d) not in lines]
    for i, name in enumerate(strangers):
        found[name] = Look(*new[i % len(new)], _MARKERS[i % len(_MARKERS)])
    return found


def new_axes(ax: Axes | None, size: tuple[float, float] = (8, 4)) -> Axes:
    """Return the Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    # Not by pyplot, which would keep every figure alive and draw it a second time in a notebook.
    return Figure(figsize=size, layout="constrained").add_subplot()


def line(ax: Axes, x: Any, y: Any, look: Look, label: str, *, marked: bool = True) -> None:
    """Draw a curve, with a marker now and then that tells it from others in print too."""
    marker = look.marker if marked else ""
    every = max(1, len(x) // 7)
    ax.plot(
        x, y, color=look.colour, ls=look.dash, marker=marker, ms=5, markevery=every, label=label
    )


def band(ax: Axes, x: Any, low: Any, high: Any, look: Look) -> None:
    """Draw the interval of a curve."""
    ax.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)


def legend_beside(ax: Axes, title: str | None = None) -> None:
    """Put the legend beside the Axes, where it can cover nothing."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, title=title)


def percent(axis: Axis) -> None:
    """Show shares as percentages."""
    axis.set_major_formatter(PercentFormatter(1.0))


def titled(ax: Axes, title: str, caveat: str = "") -> Axes:
    """Set the title, with what must be said beside the numbers below it."""
    ax.set_title(f"{title}\n({caveat})" if caveat else title)
    return ax


def _is_variant(name: str, policy: str) -> bool:
    after = name.removeprefix(policy)
    return after != name and not (after[:1].isalnum() or after[:1] in "-_:")


def _darker(colour: str) -> str:
    red, green, blue = (0.6 * c for c in to_rgb(colour))
    return to_hex((red, green, blue))
