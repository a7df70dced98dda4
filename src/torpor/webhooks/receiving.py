"""
A request to a webhook: it becomes a payload of the run, durable before anybody is answered, and is answered.

Which server the request came by is not known here; :mod:`torpor.http.webhooks` is the route.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping

import msgspec

from torpor import codec, ids
from torpor.client import Client
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.large import in_thread_if, is_large_value
from torpor.codec.requests import Request, Response
from torpor.codec.values import Headers, WritableStream
from torpor.codec.values import ReadableStream as ReadableReference
from torpor.engine.streams import ReadableStream
from torpor.errors import ConfigurationError, DamagedError, HookNotFoundError, LimitExceededError, NoAnswerError
from torpor.limits import WEBHOOK_ANSWER_SECONDS, WEBHOOK_BODY_BYTES_MAX, WEBHOOK_HEADERS_MAX
from torpor.model import Hook
from torpor.model.webhooks import Webhook, webhook_of
from torpor.stream_names import PREFIX
from torpor.webhooks.verifying import Signed, json_of, verify


class Incoming(msgspec.Struct, frozen=True):
    """
    A request as a server has it.

    Attributes:
        method: such as ``POST``.
        url: all of it.
        headers: in their order.
        body: all of it; no more than :data:`torpor.limits.WEBHOOK_BODY_BYTES_MAX`.
    """

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes


class Receiver:
    """
    Takes requests for the webhooks of a world.

    Args:
        client: of an open world.
        environment: where secrets are found by name.
        answer_seconds: how long callers wait for a run that answers itself.
    """

    def __init__(
        self,
        client: Client,
        *,
        environment: Mapping[str, str] = os.environ,
        answer_seconds: float = WEBHOOK_ANSWER_SECONDS,
    ) -> None:
        self._client = client
        self._environment = environment
        self._answer_seconds = answer_seconds

    async def receive(self, token: str, incoming: Incoming) -> Response:
        """
        Hand a request to the run whose webhook has this token, and return what its sender is answered.

        The request is stored before this returns. A request that a sender sends again, by a scheme that tells, is
        received once.

        Raises:
            HookNotFoundError: no live webhook has this token; hooks that are none are not told apart from what is not
                there.
            SignatureError: it is not signed as the webhook wants it.
            LimitExceededError: it has too large a body, or too many headers.
            NoAnswerError: it was received, and the run has ended or did not answer in time.
            ConfigurationError, KeyMissingError: a secret or a key is not here; nothing was received.
        """
        hook = await self._client.world.hook(token)
        webhook = _described(hook)
        if webhook is None:
            raise HookNotFoundError(f"no live webhook has the token {token!r}")
        _check_size(incoming)
        headers = Headers(incoming.headers)
        signed = self._verified(webhook, headers, incoming.body)
        if webhook.verify == "slack" and (challenge := _challenge(incoming.body)) is not None:
            return Response(challenge)  # Slack asks so whether somebody is here; it is nothing for the run
        run_codec = self._client.keyring.run(hook.run_id, hook.key_id, hook.public)
        static = _static(webhook, hook, run_codec)
        resume = _resume_id(webhook, signed) or ids.fresh("rsme", self._client.world.clock.now())
        answers = _answers_to(hook, resume) if webhook.answer == "manual" else None
        text = await in_thread_if(
            is_large_value(incoming.body), codec.dumps, _payload(incoming, headers, answers, hook)
        )
        await self._client.world.resume_hook(token, run_codec.encrypt(text), resume, run_id=hook.run_id)
        return static or (Response(status=202) if answers is None else await self._answer(hook, answers))

    def _verified(self, webhook: Webhook, headers: Headers, body: bytes) -> Signed:
        if not webhook.verify:
            return Signed()
        secret = self._environment.get(webhook.secret, "")
        if not secret:
            raise ConfigurationError(
                f"the environment variable {webhook.secret}, by which a webhook verifies requests, is not set here; "
                f"set it where the front door is served"
            )
        return verify(webhook, secret, headers, body, self._client.world.clock.now())

    async def _answer(self, hook: Hook, stream: str) -> Response:
        """Return the first answer that the run gives."""
        reader = self._client.streams.readable(hook.run_id, stream)
        try:
            async with asyncio.timeout(self._answer_seconds):
                async for answer in reader:
                    if isinstance(answer, Response):
                        return await self._whole(hook, answer)
        except TimeoutError:
            raise NoAnswerError(
                f"Workflow run did not send a response: {hook.run_id} has the request, and gave no answer within "
                f"{self._answer_seconds:g} s"
            ) from None
        raise NoAnswerError(f"Workflow run did not send a response: {hook.run_id} has ended without an answer")

    async def _whole(self, hook: Hook, answer: Response) -> Response:
        """Return an answer with its body in it, which a step in JavaScript may have written to a stream of the run."""
        body = answer.fields.get("body")
        if isinstance(body, ReadableReference) and isinstance(name := body.fields.get("name"), str):
            body = self._client.streams.readable(body.fields.get("runId") or hook.run_id, name)
        if not isinstance(body, ReadableStream):
            return answer
        content = bytearray()
        async for chunk in body:
            content += chunk if isinstance(chunk, bytes) else str(chunk).encode()
            if len(content) > WEBHOOK_BODY_BYTES_MAX:
                raise NoAnswerError(f"run {hook.run_id} answered with more than {WEBHOOK_BODY_BYTES_MAX} bytes")
        answer.fields["body"] = ReadableReference({"bodyInit": bytes(content)})
        return answer


def _described(hook: Hook) -> Webhook | None:
    try:
        return webhook_of(hook.takes)
    except ValueError as error:
        raise DamagedError(f"hook {hook.id}", str(error), run_id=hook.run_id) from error


def _check_size(incoming: Incoming) -> None:
    if len(incoming.body) > WEBHOOK_BODY_BYTES_MAX:
        raise LimitExceededError(
            f"the request's body has {len(incoming.body)} bytes; webhooks take up to {WEBHOOK_BODY_BYTES_MAX}"
        )
    if len(incoming.headers) > WEBHOOK_HEADERS_MAX:
        raise LimitExceededError(
            f"the request has {len(incoming.headers)} headers; webhooks take up to {WEBHOOK_HEADERS_MAX}"
        )


def _challenge(body: bytes) -> str | None:
    asked = json_of(body)
    if isinstance(asked, dict) and asked.get("type") == "url_verification" and isinstance(asked.get("challenge"), str):
        return str(asked["challenge"])
    return None


def _static(webhook: Webhook, hook: Hook, run_codec: RunCodec) -> Response | None:
    if webhook.answer != "static":
        return None
    response = codec.loads(codec.pack_devalue(run_codec.unpack_text(webhook.response)))
    if not isinstance(response, Response):
        raise DamagedError(f"hook {hook.id}", "its static response is none", run_id=hook.run_id)
    return response


def _resume_id(webhook: Webhook, signed: Signed) -> str:
    if not signed.delivery:
        return ""
    mark = hashlib.sha256(f"{webhook.verify}\0{signed.delivery}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"rsme_{webhook.verify}_{mark[:32]}"


def _answers_to(hook: Hook, resume_id: str) -> str:
    """Return the name of the stream that has the answer to a request; a redelivery has the same."""
    mark = hashlib.sha256(f"{hook.id}\0{resume_id}".encode()).hexdigest()
    return f"{PREFIX}{hook.run_id.removeprefix('wrun_')}_answer_{mark[:32]}"


def _payload(incoming: Incoming, headers: Headers, answers: str | None, hook: Hook) -> Request:
    request = Request(incoming.url, method=incoming.method, headers=headers, body=incoming.body or None)
    if answers is not None:
        request.fields["responseWritable"] = WritableStream({"name": answers, "runId": hook.run_id})
    return request
