"""PostgreSQL URLs: checked before use, and shown without anything secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sqlbench.exceptions import ConfigError, MissingExtraError

SCHEMES = ("postgresql://", "postgres://")
EXPECTED = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

# What shapes a connection and can hold no secret. Everything else is left out of what is shown.
_SHOWN = ("host", "options", "service", "sslmode", "sslrootcert", "target_session_attrs")


@dataclass(frozen=True, slots=True)
class PostgresURL:
    """A URL that libpq understands.

    Attributes
    ----------
    url : str
        With its password; in no repr.
    shown : str
        Without it: what goes into logs, run files and messages. It can be connected to where the
        password comes from the environment (PGPASSWORD) or from ~/.pgpass.
    """

    url: str = field(repr=False)
    shown: str
    _secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, url: str) -> PostgresURL:
        """Check a URL.

        Raises
        ------
        ConfigError
            If it is none that libpq understands. The message does not repeat it: it may hold a
            password.
        MissingExtraError
            If psycopg is not installed.
        """
        conninfo = import_psycopg().conninfo
        if not is_postgres(url):
            raise ConfigError(f"A PostgreSQL URL begins with postgresql://: expected {EXPECTED}.")
        try:
            parts: dict[str, Any] = conninfo.conninfo_to_dict(url)
        except Exception:  # libpq's message repeats parts of the URL, the password among them
            raise ConfigError(
                f"The PostgreSQL URL cannot be read: expected {EXPECTED}, with '%40' for an '@' "
                "and '%2F' for a '/' in the password."
            ) from None
        secrets = tuple(str(parts[k]) for k in ("password", "sslpassword") if parts.get(k))
        return cls(url, _shown(parts), secrets)

    def scrub(self, text: str) -> str:
        """Return a text, such as libpq's message, without the URL's secrets."""
        for secret in self._secrets:
            for form in (secret, quote(secret, safe="")):
                text = text.replace(form, "***")
        return " ".join(text.split())


def is_postgres(spec: str) -> bool:
    """Whether a database's spec is a PostgreSQL URL."""
    return spec.startswith(SCHEMES)


def import_psycopg() -> Any:
    """Return psycopg.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import psycopg
    except ImportError:
        raise MissingExtraError("PostgreSQL", "postgres") from None
    return psycopg


def _shown(parts: dict[str, Any]) -> str:
    host, port, user = (str(parts.get(k) or "") for k in ("host", "port", "user"))
    login = quote(user, safe="") + "@" if user else ""
    database = quote(str(parts.get("dbname") or ""), safe="")
    # A socket's folder, or several hosts, have no place before the path.
    plain = not (host.startswith("/") or "," in host)
    place = f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}" if plain else ""
    query = {k: str(parts[k]) for k in _SHOWN if parts.get(k) and not (k == "host" and plain)}
    if not plain and port:
        query["port"] = port
    options = f"?{urlencode(query, safe='/,')}" if query else ""
    return f"postgresql://{login}{place}/{database}{options}"
