"""``sqlbench serve`` ends as a program does, so that what it started is stopped with it."""

from __future__ import annotations

import signal

import pytest
import serving


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_is_not_killed_by_the_signal(asked):
    """By the signal it would skip what a process does at its end: an embedded database lives on."""
    with serving.serve() as served:
        served.process.send_signal(asked)
        assert served.process.wait(timeout=60) >= 0
