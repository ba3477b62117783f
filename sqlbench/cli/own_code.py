"""What the command line says where a policy, model or metric of the user's own raised."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

from sqlbench.plugins import taken
from sqlbench.processes import ForeignError

_HERE = Path(__file__).resolve().parents[1]
_INSTALLED = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
# A frame of a worker process comes as text.
_FRAME = re.compile(r'^  File "(.+)", line (\d+), in (\S+)\n(?:    .*\n)*', re.MULTILINE)


def own_failure(error: Exception) -> str | None:
    """Return where the user's code raised, and one sentence; None if sqlbench itself failed.

    The user's is what sqlbench called that is neither its own nor installed, and any part that was
    named by its import path. Where such a part is in use, and sqlbench stumbles over what it takes
    or gives, nobody can tell whose the fault is: then the whole way to it is shown.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    frames += str(getattr(error.__cause__, "tb", ""))
    parts = taken()
    called, own = False, list[re.Match[str]]()
    for frame in _FRAME.finditer(frames):
        path = Path(frame[1]).resolve()
        theirs = not any(path.is_relative_to(p) for p in _INSTALLED)
        theirs |= any(path.is_relative_to(p) for p in parts.values())
        if path.is_relative_to(_HERE):
            called, own = True, []
        elif own or (called and theirs):
            own.append(frame)
    told = isinstance(error, ForeignError)  # its message has the type
    said = str(error) if told else "".join(traceback.format_exception_only(error)).strip()
    if own:
        file, line, name = own[0].groups()
        return (
            f"{''.join(frame[0] for frame in own)}"
            f"sqlbench: {said} was raised by {name}() of {file!r}, line {line}, which is not "
            "sqlbench's code: mend it and repeat the command. What was finished is kept."
        )
    if parts and not isinstance(error, OSError):  # a file or a disk is nobody's code
        return (
            f"{frames}sqlbench: {said} was raised where parts of your own are in use "
            f"({', '.join(parts)}): look whether they take and give what docs/own-parts.md says. "
            "What was finished is kept."
        )
    return None
