"""What a run's policy knew before its first episode: learned by another run, and kept here."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np

from sqlbench.exceptions import ConfigError
from sqlbench.models import ChatModel
from sqlbench.paths import located
from sqlbench.policies import Policy, save_policy
from sqlbench.policies.registry import read_policy
from sqlbench.runs.files import read_json

_SAVED = "policy.npz"
# What a run's configuration says that it started from, where that is no file.
IN_MEMORY = "(a policy in memory)"


def is_policy(value: object) -> TypeGuard[Policy]:
    """Whether a run is to start from this itself, and not from a file that it names."""
    return hasattr(value, "load_state") and hasattr(value, "spec")


@dataclass(frozen=True, slots=True)
class Start:
    """A saved policy, as its file has it.

    Attributes
    ----------
    content : bytes
        The file.
    name : str
        What errors call it.
    simulated : bool
        Whether it learned from a simulated model, as far as its file or the run beside it says.
    """

    content: bytes
    name: str
    simulated: bool = False

    @classmethod
    def read(cls, path: str | Path, wanted: Policy, model: ChatModel | None = None) -> Start:
        """Read what a policy starts from.

        Parameters
        ----------
        path : path
            A finished run's folder, or a policy's file.
        wanted : Policy
            The policy that is to start from it.
        model : ChatModel or None
            As for `make_policy`.

        Raises
        ------
        ConfigError
            If there is no saved policy, or it is another one than the run's.
        """
        place = located(path)
        place = place / _SAVED if place.is_dir() else place
        if not place.is_file():
            raise ConfigError(
                f"There is no policy to start from at {str(place)!r}: name a finished run's folder "
                f"or its {_SAVED}."
            )
        start = cls(place.read_bytes(), str(place))
        start._check(start.fresh(model), wanted)
        return replace(start, simulated=start._says_simulated() or _was_simulated(place.parent))

    @classmethod
    def of(cls, policy: Policy, wanted: Policy) -> Start:
        """Keep what a policy knows now; what it learns later is not in it.

        Parameters
        ----------
        policy : Policy
            What a policy starts from, as ``run.policy`` gives it.
        wanted : Policy
            The policy that is to start from it.

        Raises
        ------
        ConfigError
            If it is another policy than the run's.
        """
        file = io.BytesIO()
        save_policy(policy, file)
        start = cls(file.getvalue(), IN_MEMORY)
        start._check(policy, wanted)
        return start

    def _says_simulated(self) -> bool:
        with np.load(io.BytesIO(self.content), allow_pickle=False) as file:
            return "_simulated" in file

    def _check(self, policy: Policy, wanted: Policy) -> None:
        if policy.spec != wanted.spec:
            raise ConfigError(
                f"The policy in {self.name!r} is {policy.spec!r} and cannot start a run of "
                f"{wanted.spec!r}: give the run that policy."
            )

    def fresh(self, model: ChatModel | None = None) -> Policy:
        """Return the policy, anew each time: a policy that learns is not what it started from."""
        return read_policy(io.BytesIO(self.content), self.name, model)

    @property
    def hash(self) -> str:
        """SHA-256 of what it knows: two runs that learned the same start alike."""
        return hashlib.sha256(self.content).hexdigest()


def _was_simulated(folder: Path) -> bool:
    """Whether the run in a folder, if there is one, had anything of a simulated model."""
    path = folder / "run.json"
    if not path.is_file():
        return False
    meta = read_json(path)
    return bool(meta.get("simulated") or meta.get("start_simulated"))
