"""Where a run's models were asked: one that goes on at another endpoint mixes what two gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sqlbench.exceptions import RunFolderError

ENDPOINTS = "endpoints"
"""What ``run.json`` calls them: by the model's spec a list of URLs, the first asked first."""


def endpoints_with(meta: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a run's endpoints with those that are asked now, by the model's spec.

    Parameters
    ----------
    meta : dict
        What ``run.json`` holds.
    asked : dict of str to str
        URLs; passwords and queries are left out.

    Raises
    ------
    RunFolderError
        If what ``run.json`` holds are no endpoints.
    """
    known = meta.get(ENDPOINTS, {})
    if not isinstance(known, dict) or not all(map(_are_texts, known.values())):
        raise RunFolderError(f"A run.json is damaged: its endpoints are {known!r}.")
    found = {spec: list(urls) for spec, urls in known.items()}
    for spec, url in asked.items():
        urls = found.setdefault(spec, [])
        if (shown := _without_secrets(url)) not in urls:
            urls.append(shown)
    return found


def endpoint_notes(meta: Mapping[str, Any]) -> list[str]:
    """Say of which models a run has answers of several endpoints."""
    return [
        f"{spec} was asked at {len(urls)} endpoints ({', '.join(urls)}): what it gave may be of "
        "different models, and is counted together."
        for spec, urls in endpoints_with(meta, {}).items()
        if len(urls) > 1
    ]


def _are_texts(urls: object) -> bool:
    return isinstance(urls, list) and all(isinstance(u, str) for u in urls)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
