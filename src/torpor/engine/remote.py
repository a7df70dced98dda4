"""
Steps that another service carries out: one attempt is one signed request.

What is known of the outcome decides what follows:

* it was not sent: the attempt failed, and is made again;
* it was refused (4xx): the step fails, but for 408, 425 and 429, after which it is tried again when the service says;
* it was carried out (200): the result is the step's;
* it was accepted (202): the run waits, and holds nothing, until the service calls back;
* nobody knows (the connection was lost, or 5xx): it is tried again with the same idempotency key, the step's id, but
  not where the effect must not happen twice: then the run is blocked on the step.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from torpor import tracing
from torpor.codec.typing.annotations import convert
from torpor.codec.typing.hints import hints_of
from torpor.engine.metadata import current_step, running_workflow
from torpor.errors import (
    AcceptedError,
    ArgumentError,
    ConfigurationError,
    FatalError,
    HostError,
    RetryableError,
    StepError,
    UnknownOutcomeError,
)
from torpor.limits import PAYLOAD_BYTES_MAX
from torpor.signing import signed_headers

if TYPE_CHECKING:
    import httpx

SECRET: Final = "TORPOR_STEPS_SECRET"  # noqa: S105  # its name
"""The environment variable that has the secret, unless a step names another one."""

CALLBACK_ROUTE: Final = "/.well-known/workflow/v1/step/"
"""Where a service says how a step ended that it has accepted, followed by the run's id and the step's."""

WAIT_SECONDS: Final = 20
"""How long a service may keep a request, before it had better accept the step and call back."""

CONNECT_SECONDS: Final = 10.0
ATTEMPT_SECONDS: Final = 60.0
"""How long one attempt takes at most where its step has no timeout."""

RAISED: Final = "STEP_RAISED"
"""The code of a problem: the step was begun and raised an error, so that it is known how it ended."""

_AGAIN: Final = frozenset((408, 425, 429))
_AFTER_MAX_SECONDS: Final = 86_400


class Remote(msgspec.Struct, frozen=True):
    """
    Where a step is carried out.

    Attributes:
        url: takes POST.
        secret: name of the environment variable with the secret by which requests are signed.
        ca: name of the environment variable with the path of a file of certificates to trust, ``""`` for the usual
            ones.
        certificate: name of the environment variable with the path of a file that has our certificate and its key,
            ``""`` for none.
    """

    url: str
    secret: str = SECRET
    ca: str = ""
    certificate: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ConfigurationError(
                f"url={self.url!r} of a step: give where it is carried out, https://HOST/PATH, without a password"
            )

    @property
    def host(self) -> str:
        """Whom messages name."""
        return urlsplit(self.url).netloc

    def read_secret(self) -> str:
        """
        Return the secret.

        Raises:
            HostError: it is not here; another worker may have it.
        """
        return _from_environment(self.secret, f"the secret for steps of {self.host}")


def elsewhere(name: str, function: Callable[..., Any], remote: Remote, *, once: bool) -> Callable[..., Any]:
    """
    Return what is called in place of a step's function.

    Args:
        name: of the step.
        function: says what the step takes and returns.
        remote: where it is carried out.
        once: its effect must not happen twice.
    """

    async def carry_out(*args: Any, **kwargs: Any) -> Any:
        return result_of(name, function, await _Call(name, remote, once=once).make(args, kwargs))

    return carry_out


def said(value: Any) -> bytes:
    """
    Return a value in JSON.

    Raises:
        TypeError, ValueError: JSON has no such value.
    """
    return json.dumps(msgspec.to_builtins(value, str_keys=True), ensure_ascii=False, allow_nan=False).encode()


class _Call:
    """One attempt."""

    def __init__(self, name: str, remote: Remote, *, once: bool) -> None:
        self._name = name
        self._remote = remote
        self._once = once

    async def make(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            import httpx  # noqa: PLC0415  # an extra, which not everybody has
        except ModuleNotFoundError as error:
            raise HostError(f"step {self._name} needs {error.name}: pip install 'torpor[http]'") from error
        step, url = current_step(), _callback()
        asked = {"step": self._name, "args": args, "kwargs": kwargs, "run": step.run_id, "attempt": step.attempt}
        try:
            body = said({**asked, "callback": url} if url else asked)
        except (TypeError, ValueError) as error:
            raise FatalError(f"the arguments of step {self._name} are no JSON: {error}") from None
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": step.step_id,
            "Prefer": f"wait={WAIT_SECONDS}",
            **tracing.headers(),
            **signed_headers(self._remote.read_secret(), step.step_id, body, _now()),
        }
        timeout = httpx.Timeout(ATTEMPT_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with (
                httpx.AsyncClient(verify=self._tls(), timeout=timeout, follow_redirects=False) as client,
                client.stream("POST", self._remote.url, content=body, headers=headers) as response,
            ):
                return self._read(response.status_code, response.headers, await self._content(response), url)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise StepError(f"{self._remote.host} cannot be reached, and was asked for nothing: {error!r}") from error
        except httpx.HTTPError as error:
            told = f"the connection to {self._remote.host} was lost once it was asked: {error!r}"
            raise self._unknown(told) from error

    async def _content(self, response: httpx.Response) -> bytes:
        taken = bytearray()
        async for piece in response.aiter_bytes():
            taken += piece
            if len(taken) > PAYLOAD_BYTES_MAX:
                raise self._unknown(f"the answer of {self._remote.host} has more than {PAYLOAD_BYTES_MAX} bytes")
        return bytes(taken)

    def _read(self, status: int, headers: httpx.Headers, content: bytes, callback: str) -> Any:
        """Return what the service says that the step returned, or raise what it says otherwise."""
        host = self._remote.host
        if status == 202 and callback:
            raise AcceptedError(f"accepted by {host}, which tells how it ended")
        if status == 202:
            raise UnknownOutcomeError(
                f"{host} has accepted the step, and does not know where to tell how it ended: set Torpor(url=…)"
            )
        if status == 200:
            answer = _json(content)
            if isinstance(answer, dict) and "result" in answer:
                return answer["result"]
            raise self._unknown(f'{host} answered 200 with what is no {{"result": …}}: {content[:200]!r}')
        told = f"{host} answered {status}: {_told(content)}"
        after = _seconds(headers.get("retry-after", ""))
        if status in _AGAIN or status == 503:
            raise RetryableError(told, retry_after=after)
        if status < 500:
            raise FatalError(told)
        if _code(content) == RAISED:
            raise StepError(told)
        raise self._unknown(told)

    def _unknown(self, told: str) -> UnknownOutcomeError | StepError:
        """Return the error that nobody knows whether the step was carried out."""
        return (UnknownOutcomeError if self._once else StepError)(told)

    def _tls(self) -> ssl.SSLContext:
        remote = self._remote
        what = f"steps of {remote.host}"
        ca = _from_environment(remote.ca, f"the certificates to trust for {what}") if remote.ca else ""
        own = _from_environment(remote.certificate, f"the certificate for {what}") if remote.certificate else ""
        try:
            return _context(ca, own, _changed_at(ca), _changed_at(own))
        except OSError as error:
            raise HostError(f"the certificates for {what} cannot be read ({ca or own}): {error}") from error


@functools.lru_cache(maxsize=64)
def _context(ca: str, own: str, *_changed: int) -> ssl.SSLContext:
    """Return what TLS is spoken by; it takes some ten milliseconds to make. A file that was changed is read anew."""
    context = ssl.create_default_context(cafile=ca or None)
    if own:
        context.load_cert_chain(own)
    return context


def _changed_at(path: str) -> int:
    return Path(path).stat().st_mtime_ns if path else 0


def _now() -> int:
    """Return when this attempt began, epoch milliseconds, by the world's clock."""
    return int(current_step().started_at.timestamp() * 1000)


def _callback() -> str:
    """Return where the step that runs is told of, ``""`` where our address is not known."""
    workflow, step = running_workflow(), current_step()
    if workflow is None or not workflow.url:
        return ""
    return f"{workflow.url}{CALLBACK_ROUTE}{quote(step.run_id, safe='')}/{quote(step.step_id, safe='')}"


def _from_environment(name: str, what: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise HostError(f"{what}: the environment variable {name} is not set here")
    return found


def result_of(name: str, function: Callable[..., Any], value: Any) -> Any:
    """
    Return what a service says that a step returned, as the step's annotation wants it.

    Raises:
        FatalError: it does not fit.
    """
    wanted = hints_of(inspect.unwrap(function)).get("return", Any)
    try:
        return convert(value, wanted, f"the result of step {name}")
    except ArgumentError as error:
        raise FatalError(str(error)) from None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _told(content: bytes) -> str:
    """Return what a problem document says, or else the beginning of a body."""
    problem = _json(content)
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return str(detail)[:2000] if detail else repr(content[:200].decode(errors="replace"))


def _code(content: bytes) -> Any:
    problem = _json(content)
    return problem.get("code") if isinstance(problem, dict) else None


def _seconds(text: str) -> float | None:
    """Return what a ``Retry-After`` says, seconds or a date; None for nothing that makes sense."""
    if text.isascii() and text.isdigit():
        return float(min(int(text), _AFTER_MAX_SECONDS))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return float(min(max(0.0, moment.timestamp() - _now() / 1000), _AFTER_MAX_SECONDS))
