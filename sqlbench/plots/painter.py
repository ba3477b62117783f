"""Pictures of a run under way, drawn by another process from the run's folder.

Drawing takes as long as a hundred episodes. Beside the run, and behind it when processors are
scarce (`os.nice`), it costs the run next to nothing, and holds up no click.

Run as a module it is that process: a line with a folder in, the length of a picture and the picture
out, until its input ends, as it does when the kernel dies.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

from sqlbench.exceptions import SQLBenchError
from sqlbench.runs.run import Run

NICENESS = 10
_ENCODING = "utf-8"


class PaintError(SQLBenchError):
    """Raised when a picture could not be drawn; the run is not touched by that."""


class Painter:
    """Draws runs in a process of its own, which is started when it is first needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()  # one picture is on its way at a time

    async def paint(self, folder: Path) -> bytes:
        """Return the picture of a run's folder as a PNG.

        Raises
        ------
        PaintError
            If the process died; the next call starts another.
        """
        async with self._turn:
            return await self._paint(folder)

    async def close(self) -> None:
        """End the process, once no picture is on its way."""
        async with self._turn:
            await self._end()

    async def _paint(self, folder: Path) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sqlbench.plots.painter",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # The kernel's interrupt is not meant for it.
                start_new_session=True,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(f"{folder.resolve()}\n".encode(_ENCODING, "surrogateescape"))
            await process.stdin.drain()
            size = int(await process.stdout.readline())
            return await process.stdout.readexactly(size)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            assert process.stderr is not None
            said = (await process.stderr.read()).decode(_ENCODING, "replace").strip()
            self._process = None
            last = said.splitlines()[-1] if said else f"exit code {await process.wait()}"
            raise PaintError(f"The picture could not be drawn ({last}); the run goes on.") from None
        except BaseException:
            # Cancelled with a picture on its way, which nobody must take for the next one.
            await self._end()
            raise

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


def png(run: Run | None) -> bytes:
    """Draw what a run has brought so far; the size and colours suit a picture drawn time and again.

    Parameters
    ----------
    run : Run or None
        As for `sqlbench.plots.runs.overview`.
    """
    from sqlbench.plots.runs import overview

    buffer = io.BytesIO()
    # Not trimmed: that would draw everything twice.
    overview(run).savefig(buffer, format="png", dpi=80, bbox_inches=None)
    return buffer.getvalue()


def main() -> None:
    """Draw the folders that are named on the standard input."""
    os.nice(NICENESS)
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        folder = Path(os.fsdecode(line.rstrip(b"\n")))
        picture = png(Run.open(folder))
        out.write(b"%d\n" % len(picture) + picture)
        out.flush()


if __name__ == "__main__":
    main()
