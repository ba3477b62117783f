"""Which arms a policy chooses among: the eight repairs, or those that its spec names."""

from __future__ import annotations

from sqlbench.episodes.repair import ARMS, KEEP, Arm, RepairAction
from sqlbench.exceptions import ConfigError

ARM_NAMES: tuple[str, ...] = (*map(str, ARMS), KEEP)


def parse_arms(text: str, owner: str) -> tuple[Arm, ...]:
    """Read the arms of ``arms=rewrite_full,fix_column,keep``.

    `keep` repairs nothing: it calls no model and ends the episode with the answer that is there.

    Parameters
    ----------
    text : str
        Names joined by commas; empty for the eight repairs.
    owner : str
        Who asks, for the message.

    Raises
    ------
    ConfigError
        If a name does not exist or comes twice, or there are fewer than two.

    Examples
    --------
    >>> [str(arm) for arm in parse_arms("fix_column,keep", "linucb")]
    ['fix_column', 'keep']
    """
    if not text:
        return ARMS
    names = text.split(",")
    if len(names) < 2 or len(set(names)) < len(names) or not set(names) <= set(ARM_NAMES):
        raise ConfigError(
            f"The arms of {owner} are two or more of {', '.join(ARM_NAMES)}, joined by commas and "
            f"each once; not {text!r}."
        )
    return tuple(KEEP if name == KEEP else RepairAction(name) for name in names)
