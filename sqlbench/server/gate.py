"""What stands before the app: who may ask, how much at a time, and in what form.

Pure ASGI, so that it covers every HTTP and WebSocket route, openenv's own included.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from sqlbench.environment.wire import SQLAction, sentence
from sqlbench.server.short_way import SHORT_WAY, ShortWay

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_REQUEST_BYTES = 512 * 1024
DRAIN_SECONDS = 5.0
LOOK_SECONDS = 0.02  # how long a step is under way before its client's end is looked for
_FRAMES = {"reset": {"type", "data"}, "step": {"type", "data"}, "state": {"type"}}
_FRAMES |= {"close": {"type"}, "mcp": {"type", "data"}}


class Gate:
    """Refuses what may not pass, with one clear sentence to the one who sent it.

    With a token, every request must carry it, as ``Authorization: Bearer TOKEN`` or (for browsers)
    as the password of HTTP Basic. Without one, only loopback clients are answered, and only under
    a loopback name, so that no web page can reach the server by rebinding a name. A request that a
    page of another origin makes is refused either way.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    token : str or None
        The secret.
    max_sockets : int
        WebSockets open at a time, those of timed-out sessions included.
    action : type
        The form of an action.
    """

    def __init__(
        self,
        app: App,
        token: str | None,
        max_sockets: int,
        action: type[BaseModel] = SQLAction,
    ) -> None:
        self._action = action
        self.close: Callable[[], None] = lambda: None  # what its app leaves to be done at the end
        self.app, self.max_sockets, self.sockets = app, max_sockets, 0
        self._token = token.encode() if token is not None else None

    @property
    def routes(self) -> Any:
        """The routes of the app behind it: what tools look for in an app."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        status, reason = self._refusal(scope)
        if scope["type"] == "http":
            if status:
                await _drain(receive)
                await _respond(send, status, reason)
            else:
                await self._http(scope, receive, send)
            return
        if not status and self.sockets >= self.max_sockets:
            status, reason = 503, f"The server is full: {self.sockets} connections are open."
        if status:
            await _reject(scope, receive, send, status, reason)
            return
        self.sockets += 1
        try:
            await self._websocket(scope, receive, send)
        finally:
            self.sockets -= 1

    def _refusal(self, scope: Scope) -> tuple[int, str]:
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1")
        if self._token is None:
            client = scope.get("client")
            if client is not None and not _is_loopback(client[0]):
                return 403, "This server has no token, so it answers this machine only."
            if not _is_loopback(_hostname(host)):
                return 403, f"This server has no token and no name {host!r}: ask for localhost."
        elif not self._is_known(headers.get(b"authorization", b"")):
            return 401, "A wrong or missing token: send 'Authorization: Bearer TOKEN'."
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host:
            return 403, f"The origin {origin!r} may not use this server."
        return 0, ""

    def _is_known(self, header: bytes) -> bool:
        assert self._token is not None
        scheme, _, given = header.partition(b" ")
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                given = b""
        elif scheme.lower() != b"bearer":
            given = b""
        return hmac.compare_digest(given.strip(), self._token)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; one whose body is too large gets 413."""
        too_large = f"A request may hold {MAX_REQUEST_BYTES} bytes at most."
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            await _drain(receive)
            await _respond(send, 413, too_large)
            return
        taken, answered = 0, False

        async def capped() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_REQUEST_BYTES:
                raise _TooLarge
            return message

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, capped, noting)
        except _TooLarge:
            if not answered:
                await _respond(send, 413, too_large)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass frames on, one ahead, so that a client lost in mid-step frees its session at once.

        What openenv answers with a closed session (a frame that is no JSON object, binary, or of a
        form that its own error message cannot carry) is answered here, and the session goes on. So
        is a plain frame of an agent's session (`ShortWay`).
        """
        ahead: asyncio.Future[Message] | None = None
        busy = gone = False
        loop, short_way = asyncio.get_running_loop(), ShortWay()
        SHORT_WAY.set(short_way)

        def look(future: asyncio.Future[Message]) -> None:
            nonlocal gone
            lost = not future.cancelled() and future.exception() is None
            if lost and busy and future.result()["type"] == "websocket.disconnect":
                gone = True
                session.cancel()

        def look_ahead() -> None:
            nonlocal ahead
            ahead = asyncio.ensure_future(receive())
            ahead.add_done_callback(look)

        async def next_frame() -> Message:
            nonlocal ahead, busy
            while True:
                busy = False
                message = await (ahead if ahead is not None else receive())
                ahead = None
                if message["type"] != "websocket.receive":
                    return message
                plain = short_way.read(message.get("text"))
                if plain is None and (wrong := _wrong(message, self._action)):
                    await send({"type": "websocket.send", "text": json.dumps(wrong)})
                    continue
                busy = True
                if plain is None:
                    look_ahead()
                    return message
                soon = loop.call_later(LOOK_SECONDS, look_ahead)  # most are answered sooner
                try:
                    answer = await short_way.answer(plain)
                finally:
                    soon.cancel()
                await send({"type": "websocket.send", "text": answer})

        session = asyncio.ensure_future(self.app(scope, next_frame, send))
        try:
            await session
        except asyncio.CancelledError:
            if not gone:
                raise
        finally:
            if ahead is not None:
                ahead.cancel()


class _TooLarge(Exception):
    """A body grew past the cap."""


def _wrong(message: Message, action: type[BaseModel]) -> dict[str, Any] | None:
    """Return the error frame that a frame deserves, or None."""
    text = message.get("text")
    if text is None:
        return _error("INVALID_JSON", "A binary frame: send JSON text.")
    if len(text) > MAX_REQUEST_BYTES:
        return _error("VALIDATION_ERROR", f"A frame may hold {MAX_REQUEST_BYTES} characters.")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _error("INVALID_JSON", f"The frame is not valid JSON: {error}.")
    kind = frame.get("type") if isinstance(frame, dict) else None
    if not isinstance(kind, str) or kind not in _FRAMES:
        shown = ascii(kind)[:80]
        return _error(
            "UNKNOWN_TYPE",
            f"A frame is an object with a type of {', '.join(_FRAMES)}, not {shown}.",
        )
    if unknown := sorted(set(frame) - _FRAMES[kind]):
        return _error("VALIDATION_ERROR", f"A {kind} frame has no field {ascii(unknown[0])[:80]}.")
    data = frame.get("data", {})
    if not isinstance(data, dict) or (kind == "step" and "data" not in frame):
        return _error("VALIDATION_ERROR", f"The data of a {kind} frame is an object.")
    if kind == "step":
        try:
            action.model_validate(data)
        except ValidationError as error:
            return _error("VALIDATION_ERROR", sentence(error, "The action", action.model_fields))
    return None


def _error(code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "data": {"message": message, "code": code}}


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _drain(receive: Receive) -> None:
    """Take in a body of a bearable size, for a bearable time.

    A client that is still sending reads no answer, and TCP drops one that is followed by a closed
    connection with unread bytes.
    """
    taken, more = 0, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while more and taken < 8 * MAX_REQUEST_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                more = message.get("more_body", False)


async def _respond(send: Send, status: int, reason: str, kind: str = "http.response") -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 401:  # a browser then asks for it
        headers.append((b"www-authenticate", b'Basic realm="sqlbench"'))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": json.dumps({"detail": reason}).encode()})


async def _reject(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    """Refuse a WebSocket before it opens, with an HTTP status where the server can send one."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await _respond(send, status, reason, kind="websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
