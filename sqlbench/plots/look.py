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
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sqlbench.episodes.repair import ARMS
from sqlbench.policies.registry import POLICY_NAMES

if TYPE_CHECKING:
    from IPython.display import Markdown

STYLE = str(resources.files("sqlbench.plots") / "sqlbench.mplstyle")
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
    "hybrid": Look(RED, "-", "p"),
    "cost-aware": Look(BLUE, (0, (2, 1)), ">"),
    "pooled": Look(GREEN, "-", "d"),
    "halving": Look(PINK, "-", "H"),
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
        Its spec, or a name that begins like one ("linucb, γ = 0.99"): a variant has its policy's
        colour or a darker one, with a line style and a marker that its name decides.
    """
    if name in _POLICIES:
        return _POLICIES[name]
    base = _policy_of(name)
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
        All that belong together, whichever are drawn. A policy keeps its look; a variant takes a
        shade of its policy's colour that nobody has, or else a line style; a name that is no
        policy's takes the next colour that nobody has.
    """
    listed = list(names)
    found = {name: _POLICIES[name] for name in listed if name in _POLICIES}
    for name in listed:
        if name not in found and (base := _policy_of(name)) is not None:
            found[name] = _variant_look(name, base, found.values())
    taken = {look.colour for look in found.values()}
    lines = {(look.colour, look.dash) for look in found.values()}
    new: list[tuple[str, Dash]] = [(colour, "-") for colour in COLOURS if colour not in taken]
    new += [(c, d) for d, c in product(_DASHES, COLOURS) if (c, d) not in lines]
    strangers = [name for name in listed if name not in found]
    for i, name in enumerate(strangers):
        found[name] = Look(*new[i % len(new)], _MARKERS[i % len(_MARKERS)])
    return {name: found[name] for name in listed}


def new_axes(ax: Axes | None, size: tuple[float, float] = (8, 4)) -> Axes:
    """Return the Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    # Not by pyplot, which would keep every figure alive and draw it a second time in a notebook.
    return Figure(figsize=size, layout="constrained").add_subplot()


def shown(ax: Axes) -> Figure | Markdown:
    """Return the figure of an Axes; where that only says why it is empty, its words as a text."""
    if ax.axison or not ax.texts:
        assert isinstance(ax.figure, Figure)
        return ax.figure
    from IPython.display import Markdown

    title = ax.get_title(loc="left").replace("\n", " ")
    text = f"{title}: {ax.texts[0].get_text()}."
    return Markdown(text)  # type: ignore[no-untyped-call]


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
    beside = (1.01, 1.0)
    ax.legend(
        loc="upper left", bbox_to_anchor=beside, borderaxespad=0, title=title, alignment="left"
    )


def ink_on_cividis(share: float) -> str:
    """Return the colour of text on that colour map's colour of a share: what contrasts more."""
    return "white" if share < 0.47 else "black"


def percent(axis: Axis, symbol: str = "%") -> None:
    """Show shares as percentages, with no more digits than they need."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{_short(100 * share)}{symbol}"))


def _short(value: float) -> str:
    """Return a number as an axis shows it: short, and with a minus sign that is no hyphen."""
    return f"{round(value, 6) + 0.0:g}".replace("-", "−")


def titled(ax: Axes, title: str, caveat: str = "") -> Axes:
    """Set the title, with what must be said beside the numbers below it."""
    ax.set_title(f"{title}\n({caveat})" if caveat else title)
    return ax


def _policy_of(name: str) -> str | None:
    return max((p for p in _POLICIES if _is_variant(name, p)), key=len, default=None)


def _variant_look(name: str, base: str, others: Iterable[Look]) -> Look:
    """Return a variant's look, or the next one to it that cannot be taken for another's."""
    look = policy_look(name)
    assert look is not None
    others = list(others)
    colour = _POLICIES[base].colour
    shades = (look.colour, colour, _darker(colour), _lighter(colour))
    for shade in shades:
        if all(shade != other.colour for other in others):
            return look._replace(colour=shade)
    lines = {(other.colour, other.dash) for other in others}
    alike = (look._replace(colour=c, dash=d) for d, c in product((look.dash, *_DASHES), shades))
    return next((one for one in alike if (one.colour, one.dash) not in lines), look)


def _is_variant(name: str, policy: str) -> bool:
    after = name.removeprefix(policy)
    return after != name and not (after[:1].isalnum() or after[:1] in "-_:")


def _darker(colour: str) -> str:
    red, green, blue = (0.6 * c for c in to_rgb(colour))
    return to_hex((red, green, blue))


def _lighter(colour: str) -> str:
    red, green, blue = (0.5 + 0.5 * c for c in to_rgb(colour))
    return to_hex((red, green, blue))
