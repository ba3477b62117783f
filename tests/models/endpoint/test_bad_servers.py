"""A server that answers slowly, with nothing, or with HTML: one clear sentence each."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import sqlbench as sb
from sqlbench.exceptions import ConfigError, ModelSetupError
from sqlbench.models import Calling, ModelError, ModelRequest
from sqlbench.models.endpoint.openai import OpenAIModel

PAGE = "<!DOCTYPE html><html><head><title>Welcome to nginx</title></head><body>Hi</body></html>"
TOO_LONG = {
    "error": {"code": 400, "type": "exceed_context_size_error", "message": "too many tokens"}
}
HALF = {"choices": [{"message": {"content": "SELECT '\ud83d' FROM nowhere"}}]}


class Handler(BaseHTTPRequestHandler):
    """Answers as its server's `behaviour` says, and does not log."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        behaviour = self.server.behaviour
        if behaviour == "slow":
            time.sleep(3)
        if behaviour == "hang up":
            return
        status, kind, body = {
            "html": (200, "text/html", PAGE),
            "html error": (502, "text/html", PAGE),
            "nothing": (200, "application/json", ""),
            "nothing at all": (200, "", ""),
            "text": (200, "text/plain", "It works!"),
            "no choices": (200, "application/json", "{}"),
            "no stream": (200, "text/event-stream", ""),
            "not found": (404, "text/html", PAGE),
            "too long": (400, "application/json", json.dumps(TOO_LONG)),
            "half a character": (200, "application/json", json.dumps(HALF)),
        }.get(behaviour, (200, "application/json", "{}"))
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def model_at(server, **more):
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return OpenAIModel("m", {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k"} | more)


REQUEST = ModelRequest(({"role": "user", "content": "hi"},), "q", 0, 1, "generate", 1)


async def ask(model, streamed):
    with pytest.raises(ModelError) as raised:
        if streamed:
            async for _ in model.stream(REQUEST):
                pass
        else:
            await model.complete(REQUEST)
    await model.aclose()
    return raised.value


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("behaviour", "kind", "sentence"),
    [
        ("html", "not_api", "an HTML page (Welcome to nginx), which is not the API's JSON"),
        ("html error", "server", "answered 502: an HTML page (Welcome to nginx)"),
        ("not found", "setup", "answered 404: an HTML page (Welcome to nginx)"),
        ("text", "not_api", "answered with It works!, which is not the API's JSON"),
        ("nothing at all", "not_api", "answered with nothing, which is not the API's JSON"),
        ("too long", "refused", "too many tokens"),
        ("hang up", "broken", "broke off its answer"),
    ],
)
async def test_a_strange_answer_is_one_sentence(server, behaviour, kind, sentence, streamed):
    server.behaviour = behaviour
    error = await ask(model_at(server), streamed)
    assert sentence in error.message and "127.0.0.1" in error.message
    assert error.kind == kind and "\n" not in error.message


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_a_slow_server_is_not_waited_for_beyond_the_timeout(server, streamed):
    server.behaviour = "slow"
    error = await ask(model_at(server, MODEL_TIMEOUT="0.5"), streamed)
    assert "did not answer in 0.5 s" in error.message and error.kind == "timeout"


@pytest.mark.parametrize("behaviour", ["nothing", "no choices"])
async def test_json_without_an_answer(server, behaviour):
    server.behaviour = behaviour
    error = await ask(model_at(server), streamed=False)
    assert "\n" not in error.message and "127.0.0.1" in error.message


async def test_a_stream_of_nothing(server):
    server.behaviour = "no stream"
    assert "broke off" in (await ask(model_at(server), streamed=True)).message


async def test_a_run_against_a_web_page_stops_at_once(server):
    server.behaviour = "html"
    with pytest.raises(ModelSetupError, match="HTML page"):
        await sb.run_experiment(model=model_at(server), episodes=3, progress=False)


async def test_a_prompt_too_long_loses_its_episode_and_not_the_run(server):
    server.behaviour = "too long"
    run = await sb.run_experiment(model=model_at(server), episodes=3, progress=False)
    assert [f["kind"] for f in run.failed] == ["refused"] * 3


@pytest.mark.parametrize("stored", [False, True], ids=["plain", "stored"])
async def test_an_answer_with_half_a_character_is_repaired_like_any_other(server, tmp_path, stored):
    server.behaviour = "half a character"
    calling = Calling(cache=tmp_path / "store.sqlite" if stored else None)
    run = await sb.run_experiment(
        model=model_at(server), episodes=1, progress=False, calling=calling, out=tmp_path / "run"
    )
    assert not run.failed and run.episodes.attempts.tolist() == [5]
    assert set(run.steps.error_class) == {"syntax_error"}


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan"])
def test_a_timeout_that_is_no_number_of_seconds(value):
    with pytest.raises(ConfigError, match="MODEL_TIMEOUT is a number of seconds above 0"):
        OpenAIModel("m", {"OPENAI_BASE_URL": "http://localhost:1", "MODEL_TIMEOUT": value})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("m?max_tokens=0", "a number from 1"), ("m?max_tokens=x", "not 'x'"), ("m?top=1", "'top'")],
)
def test_a_parameter_that_will_not_do(name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        OpenAIModel(name, {"OPENAI_BASE_URL": "http://localhost:1"})


def test_the_limit_stands_in_the_spec():
    model = OpenAIModel("m?max_tokens=9", {"OPENAI_BASE_URL": "http://localhost:1"})
    assert (model.spec, model.name, model.max_tokens) == ("openai:m?max_tokens=9", "m", 9)
