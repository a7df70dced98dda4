"""
A real browser, driven over a pipe by its own debugging protocol: Chromium, without a window.

It needs no package and no port: a command is a JSON document, and so is what comes back.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
ANSWER_SECONDS: Final = 30.0
OPTIONS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-sandbox",  # it loads our own pages only, and in a container there is no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
KEYS: Final = {
    "Tab": 9,
    "Enter": 13,
    "Space": 32,
    "ArrowRight": 39,
    "ArrowLeft": 37,
    "ArrowDown": 40,
    "End": 35,
    "Home": 36,
}

CONNECT: Final = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD_CLOEXEC, 10) for end in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes a browser that has its pipe where the protocol is spoken: on descriptors 3 and 4."""

Theme = Literal["light", "dark"]


class BrowserError(Exception):
    """What the browser, or a script in its page, says went wrong."""


def find_browser() -> str | None:
    """Return the path of a browser, None when there is none."""
    return os.environ.get("TORPOR_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """
    A browser with one page, until the block ends.

    Args:
        program: its path.

    Attributes:
        complaints: what its console was told since :meth:`calm`: errors, warnings, refusals of the content policy.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._number = 0
        self._session = ""
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="torpor-browser-", ignore_cleanup_errors=True)
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        browser = [self._program, *OPTIONS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", CONNECT, str(to_read), str(to_write), *browser],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
        )
        os.close(to_read)
        os.close(to_write)
        try:
            self._attach()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _attach(self) -> None:
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._read)
        os.close(self._write)
        self._folder.cleanup()

    # The protocol

    def ask(self, method: str, **given: Any) -> dict[str, Any]:
        """
        Return what the page's target answers to a command.

        Raises:
            BrowserError: it refuses, or says nothing.
        """
        return self._ask(method, given, self._session)

    def _ask(self, method: str, given: dict[str, Any], session: str = "") -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": given}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            told = self._next(until, method)
            if told.get("id") == number:
                if "error" in told:
                    raise BrowserError(f"{method}: {told['error']['message']}")
                result: dict[str, Any] = told["result"]
                return result
            self._take(told)

    def _next(self, until: float, wanted: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            piece = os.read(self._read, 1 << 20) if ready else b""
            if not piece:
                raise BrowserError(f"the browser has not answered {wanted}")
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        return told

    def _take(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = given["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if given["type"] in ("error", "warning", "assert"):
                self.complaints.append(" ".join(str(each.get("value")) for each in given["args"]))
            case "Log.entryAdded" if given["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
            case "Page.javascriptDialogOpening":
                os.write(
                    self._write,
                    json.dumps(
                        {
                            "id": -1,
                            "method": "Page.handleJavaScriptDialog",
                            "params": {"accept": True},
                            "sessionId": self._session,
                        }
                    ).encode()
                    + b"\0",
                )
            case _:
                self._events.append(event)

    # A page

    def open(self, url: str) -> None:
        """Load a page, and return once it has been drawn and its scripts have run."""
        self._events.clear()
        told = self.ask("Page.navigate", url=url)
        if "errorText" in told:
            raise BrowserError(f"{url}: {told['errorText']}")
        self.wait_for_event("Page.loadEventFired")

    def wait_for_event(self, method: str) -> dict[str, Any]:
        """Return the next event of a kind, also one that has come already since the page was opened."""
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            for place, event in enumerate(self._events):
                if event.get("method") == method:
                    del self._events[: place + 1]
                    return event
            self._take(self._next(until, method))

    def script(self, text: str) -> Any:
        """
        Return what an expression, which may be a promise, is in the page.

        Raises:
            BrowserError: it throws.
        """
        told = self.ask("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return told["result"].get("value")

    def until(self, condition: str) -> None:
        """Return once an expression is true in the page, which is looked at whenever it is drawn or changes."""
        self.script(
            "new Promise((done, failed) => { const began = performance.now(); const look = () => { let found = false; "
            f"try {{ found = Boolean({condition}); }} catch {{ found = false; }} "
            "if (found) done(true); else if (performance.now() - began > 20000) "
            f"failed(new Error('never: ' + {json.dumps(condition)} + ' at ' + location.href)); "
            "else setTimeout(look, 20); }; look(); })"
        )

    def going(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and return once that has been loaded."""
        self._events.clear()
        act()
        self.wait_for_event("Page.loadEventFired")

    def press(self, key: str, *, shift: bool = False, control: bool = False) -> None:
        """Press a key."""
        code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {"Enter": "\r", "Space": " "}.get(key, key if len(key) == 1 else "")
        about = {
            "key": " " if key == "Space" else key,
            "code": key if len(key) > 1 else f"Key{key.upper()}",
            "windowsVirtualKeyCode": code,
            "modifiers": (8 if shift else 0) + (2 if control else 0),
        }
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.ask("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on the middle of an element."""
        x, y = self.script(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); "
            "found.scrollIntoView({block: 'center', behavior: 'instant'}); const box = found.getBoundingClientRect(); "
            "return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )
        self._click(x, y)

    def click_node(self, selector: str) -> None:
        """Click on an element where no script can tell its place."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.scrollIntoViewIfNeeded", nodeId=node)
        corners = self.ask("DOM.getContentQuads", nodeId=node)["quads"][0]
        self._click(sum(corners[::2]) / 4, sum(corners[1::2]) / 4)

    def _click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def size(self, width: int, height: int = 900) -> None:
        """Be a screen of so many pixels."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def theme(self, theme: Theme) -> None:
        """Be a machine whose user prefers a theme."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def scripts(self, *, allowed: bool) -> None:
        """Let pages run scripts, or not, from the next page on."""
        self.ask("Emulation.setScriptExecutionDisabled", value=not allowed)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Keep a picture of the page as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))

    def calm(self) -> list[str]:
        """Return what was complained of since the last time, and forget it."""
        self.script("0")  # what was said before has come then
        found, self.complaints = self.complaints, []
        return found
