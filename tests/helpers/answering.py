"""An endpoint on loopback whose every answer a test gives, byte for byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlbench.models import Calling, ModelRequest
from sqlbench.models.endpoint.openai import OpenAIModel

Reply = tuple[int, Any] | tuple[int, Any, str]
REQUEST = ModelRequest(({"role": "user", "content": "hi"},), "q", 0, 1, "generate", 1)


class Endpoint:
    """What was asked, and where.

    Attributes
    ----------
    url : str
        Its base URL.
    requests : list of dict
        The bodies that came.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []

    def model(self, name: str = "m", calling: Calling | None = None) -> OpenAIModel:
        return OpenAIModel(name, {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "k"}, calling)


@contextmanager
def answering(reply: Callable[[dict[str, Any]], Reply]) -> Iterator[Endpoint]:
    """Serve what ``reply`` makes of a request: a status, a body (bytes or JSON), a content type."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            endpoint.requests.append(request)
            status, body, *kind = reply(request)
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", kind[0] if kind else "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole(content: Any, reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """Return an answer that is not streamed."""
    said = {"role": "assistant", "content": content} | message
    return {"choices": [{"index": 0, "message": said, "finish_reason": reason}]}


def events(*values: Any, end: str = "\n\n") -> bytes:
    """Return a stream of events: values as JSON, texts as they are."""
    texts = [v if isinstance(v, str) else json.dumps(v) for v in values]
    return "".join(f"data: {t}{end}" for t in texts).encode("utf-8", "surrogatepass")


def delta(content: Any = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an event of a stream."""
    said = ({} if content is None else {"content": content}) | more
    return {"choices": [{"index": 0, "delta": said, "finish_reason": reason}]}


def never_streams(text: str, *, refuses: bool) -> Callable[[dict[str, Any]], Reply]:
    """Return how a server replies that answers in one piece, or refuses to be asked to stream."""

    def reply(request: dict[str, Any]) -> Reply:
        if refuses and "stream" in request:
            said = "Unsupported parameter: 'stream' is not supported with this model."
            error = {"message": said, "param": "stream", "type": "invalid_request_error"}
            return 400, {"error": error}
        return 200, whole(text)

    return reply
