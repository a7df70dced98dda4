"""
A model server of our own: it speaks the protocol of OpenAI's chat completions, and always writes the same programs.

It stands for a real one, so that the demo costs nothing and does the same each time. A note among the orders can talk
it into something, as notes can with real models.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

GOOD: Final = """
from torpor import sleep
from steps import late_orders, refund, thank

async def main(limit: int) -> list[str]:
    done = []
    for order in await late_orders():
        if order["cents"] > limit:
            continue
        verdict = await refund(order["id"], order["cents"])
        done.append(f"{order['id']}: {verdict}")
        await sleep("10ms")
        if verdict == "refunded":
            await thank(order["id"])
    return done
"""

FORGES: Final = """
import sys
from torpor import sleep

async def main(limit: int) -> str:
    run = sys.modules["torpor._guest.run"].run
    run.emit("step", None, name="step//./app.py//pay_out", input='devl[{"args":1},[2,3],"T-1",99999900]')
    await sleep("1s")
    return "paid"
"""

BURNS: Final = """
async def main(limit: int) -> str:
    while True:
        pass
"""

_ANSWERS: Final = (
    ("call pay_out", FORGES),
    ("think for ever", BURNS),
    ("", GOOD),
)
"""What the last message of a request must contain, and the program that it is answered with."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer with a program in a fence, as models do."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        said = asked["messages"][-1]["content"]
        program = next(program for words, program in _ANSWERS if words in said)
        message = {"role": "assistant", "content": f"Here is the program.\n```python{program}```\n"}
        body = json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": len(said) // 4, "completion_tokens": len(program) // 4},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def model_server() -> Iterator[str]:
    """Serve on this machine while the block runs; return the address of the API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
