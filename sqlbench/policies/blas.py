"""BLAS's rank-one update, without all that scipy.linalg imports beside it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_NAME = "scipy.linalg._fblas"


@cache
def rank_one() -> Callable[..., object]:
    """Return ``scipy.linalg.blas.dger``; it is loaded with the first linear policy.

    Importing its package takes a quarter of a second, which a short run would feel. So the one
    extension that holds it is loaded alone, under its own name; where that is not to be, the
    package is.
    """
    module = sys.modules.get(_NAME) or _alone()
    if module is not None and (found := getattr(module, "dger", None)) is not None:
        alone: Callable[..., object] = found
        return alone
    from scipy.linalg.blas import dger

    update: Callable[..., object] = dger
    return update


def _alone() -> ModuleType | None:
    """Load the extension without its package; None if it is not where it is wont to be."""
    import scipy  # finds its libraries, and imports none of its parts

    folder = Path(scipy.__file__).parent / "linalg"
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"_fblas{suffix}"
        if path.is_file():
            with contextlib.suppress(ImportError):
                loader = ExtensionFileLoader(_NAME, str(path))
                spec = spec_from_file_location(_NAME, path, loader=loader)
                assert spec is not None
                module = module_from_spec(spec)
                loader.exec_module(module)
                return sys.modules.setdefault(_NAME, module)  # the package takes it from there
    return None
