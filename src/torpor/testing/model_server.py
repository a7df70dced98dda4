"""
A model to test agents with: a server that speaks the protocol of OpenAI's chat completions, streaming too, and answers
as a function says.

In the process of the test::

    with ModelServer(answer) as server:
        ...  # OPENAI_BASE_URL=server.url, and models "openai-chat:any-name"

In one of its own, which may be killed and started again: ``python -m torpor.testing.model_server app:answer --port 8123
--log requests.jsonl`` writes down each request that it answers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_WORD_CHARS: Final = 8
_HOLD_SECONDS: Final = 60


@dataclass(frozen=True)
class Asked:
    """
    One request.

    Attributes:
        model: which is asked.
        messages: the conversation, as the protocol has it.
        tools: names of the tools that may be called.
        headers: by their names in small letters.
        body: all that was sent.
    """

    model: str
    messages: list[dict[str, Any]]
    tools: list[str]
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """What was said last that is no tool's result."""
        return next((_text(each) for each in reversed(self.messages) if each["role"] == "user"), "")

    @property
    def replies(self) -> int:
        """How many answers it has had since then."""
        count = 0
        for each in reversed(self.messages):
            if each["role"] == "user":
                break
            count += each["role"] == "assistant"
        return count

    @property
    def results(self) -> list[str]:
        """What the tools returned that were called last."""
        found: list[str] = []
        for each in reversed(self.messages):
            if each["role"] != "tool":
                break
            found.insert(0, _text(each))
        return found


@dataclass(frozen=True)
class Said:
    """
    An answer.

    Attributes:
        text: what it says.
        calls: tools that it calls, each with its arguments; a text stands for arguments that are no JSON.
        tokens: read and written.
        status: of HTTP; 400 and more is an error, with *text*.
        headers: beside the usual ones.
        hold: is waited for behind the first words of a stream, else before the answer; for a minute at most.
        cut: the connection is dropped behind the first words.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    tokens: tuple[int, int] = (10, 5)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    cut: bool = False


Answer = Callable[[Asked], Said]


class ModelServer:
    """
    The server; within ``with``, it answers.

    Args:
        answer: what it says to a request.
        port: where it listens on 127.0.0.1, 0 for any free port.
        log: file that each request is written to, a line of JSON each.

    Attributes:
        asked: the requests, in the order in which they came.
    """

    def __init__(self, answer: Answer, *, port: int = 0, log: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._log = log
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), type("Handler", (_Handler,), {"server_of": self}))

    @property
    def url(self) -> str:
        """Its address, as OPENAI_BASE_URL wants it."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()

    def serve(self) -> None:
        """Answer until the process ends."""
        self._http.serve_forever()

    def answer(self, asked: Asked) -> Said:
        """Note a request, and return what is said to it."""
        with self._lock:
            self.asked.append(asked)
            if self._log is not None:
                with self._log.open("a") as log:
                    said = {"model": asked.model, "prompt": asked.prompt, "replies": asked.replies}
                    log.write(json.dumps({**said, "key": asked.headers.get("idempotency-key", "")}) + "\n")
        return self._answer(asked)


class _Http(ThreadingHTTPServer):
    """A server whose end is the end of its connections, as that of a process is."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all connections."""
        for each in list(self._open):
            with suppress(OSError):  # it has ended meanwhile
                each.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and writes the answer, as the protocol wants both."""

    server_of: ModelServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the base class's name
        """Answer a request for a completion."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.endswith("/chat/completions"):
            self._send_json(404, {"error": {"message": f"no {self.path} here"}}, {})
            return
        tools = [each["function"]["name"] for each in body.get("tools", ())]
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self.server_of.answer(Asked(body["model"], body["messages"], tools, headers, body))
        try:
            if said.status >= 400:
                self._send_json(said.status, {"error": {"message": said.text, "type": "error"}}, said.headers)
            elif body.get("stream"):
                self._stream(body, said)
            else:
                _wait(said)
                self._send_json(200, _completion(body, said), said.headers)
        except ConnectionError:
            self.close_connection = True  # whoever asked is gone

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's word
        """Say nothing: a test reads its own output."""

    def _send_json(self, status: int, value: Any, headers: Mapping[str, str]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", "content-length": str(len(content)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, body: Mapping[str, Any], said: Said) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(_events(body, said)):
            if number == 2:  # behind the first words
                _wait(said)
                if said.cut:
                    self.close_connection = True
                    return
            self._chunk(f"data: {json.dumps(event)}\n\n")
        self._chunk("data: [DONE]\n\n")
        self._chunk("")

    def _chunk(self, text: str) -> None:
        content = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()


def _wait(said: Said) -> None:
    if said.hold is not None:
        said.hold.wait(_HOLD_SECONDS)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _usage(said: Said) -> dict[str, int]:
    read, written = said.tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _calls(said: Said, turn: int) -> list[dict[str, Any]]:
    written = [(name, given if isinstance(given, str) else json.dumps(given)) for name, given in said.calls]
    return [
        {"id": f"call_{turn}_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(written)
    ]


def _completion(body: Mapping[str, Any], said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = _calls(said, len(body["messages"]))
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}
    about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": body["model"]}
    return {**about, "choices": [choice], "usage": _usage(said)}


def _events(body: Mapping[str, Any], said: Said) -> Iterator[dict[str, Any]]:
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": body["model"]}

    def event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield event({"role": "assistant", "content": ""})
    for at in range(0, len(said.text), _WORD_CHARS):
        yield event({"content": said.text[at : at + _WORD_CHARS]})
    for index, call in enumerate(_calls(said, len(body["messages"]))):
        yield event({"tool_calls": [{"index": index, **call}]})
    yield event({}, "tool_calls" if said.calls else "stop")
    yield {**about, "choices": [], "usage": _usage(said)}


def main() -> None:
    """Serve what a function of a module says, in a process of its own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("answer", help="module:function")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    module, _, name = given.answer.partition(":")
    ModelServer(getattr(importlib.import_module(module), name), port=given.port, log=given.log).serve()


if __name__ == "__main__":
    main()
