"""Where a model is called, and with which key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlbench.exceptions import ModelSetupError

HUGGING_FACE_ROUTER = "https://router.huggingface.co/v1"
OPENAI_URL = "https://api.openai.com/v1"
_HUGGING_FACE_HOSTS = ("huggingface.co", "huggingface.cloud")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call, and the key that was set for that host."""

    base_url: str
    key: str


def find_endpoint(environ: Mapping[str, str], *, offline: bool = False) -> Endpoint:
    """Find the endpoint and its key in the environment's variables.

    ``OPENAI_BASE_URL`` goes with ``OPENAI_API_KEY``; ``API_BASE_URL`` (by default the Hugging Face
    router) with ``HF_TOKEN`` on Hugging Face's hosts and with ``API_KEY`` elsewhere. A key is sent
    to no other host than the one that it was set for. An endpoint on this machine needs no key,
    nor does one that is not called (``offline``), where only the address is wanted.

    Raises
    ------
    ModelSetupError
        If the key is missing, an address is malformed, or two different ones are set.
    """
    openai_url, api_url = environ.get("OPENAI_BASE_URL"), environ.get("API_BASE_URL")
    if openai_url and api_url and openai_url != api_url:
        raise ModelSetupError(
            f"Both OPENAI_BASE_URL ({openai_url}) and API_BASE_URL ({api_url}) are set; unset one."
        )
    if openai_url:
        url, variable = openai_url, "OPENAI_API_KEY"
    elif api_url:
        url, variable = api_url, "HF_TOKEN" if _on_hugging_face(api_url) else "API_KEY"
    elif environ.get("OPENAI_API_KEY") and not environ.get("HF_TOKEN"):
        url, variable = OPENAI_URL, "OPENAI_API_KEY"
    else:
        url, variable = HUGGING_FACE_ROUTER, "HF_TOKEN"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelSetupError(f"The endpoint {url!r} is no http(s) address.")
    key = environ.get(variable, "")
    if not key:
        if parts.hostname not in _LOOPBACK and not offline:
            raise ModelSetupError(
                f"The model needs a key for {parts.hostname}: set {variable}"
                + (
                    ", or OPENAI_BASE_URL and OPENAI_API_KEY for another endpoint."
                    if variable == "HF_TOKEN"
                    else "."
                )
            )
        key = "none"
    return Endpoint(url, key)


def _on_hugging_face(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host == h or host.endswith(f".{h}") for h in _HUGGING_FACE_HOSTS)
