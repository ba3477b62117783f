"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from serving import Served

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        text = f"no folder shared/{name} beside the checkout"
        # A skipped test proves nothing, so where it must run it may not be skipped.
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="session")
def spider_dir() -> Path:
    """Spider's dev set: questions, databases, stored official verdicts."""
    return _shared_folder("spider")


@pytest.fixture(scope="session")
def traces_dir() -> Path:
    """Stored repairs by real models."""
    return _shared_folder("traces")


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """`sqlbench serve` with its defaults, in a process of its own."""
    from serving import serve  # the import of openenv takes seconds

    with serve() as served:
        yield served
