"""
Secrets that act: whoever knows the token of a hook, or the address of a webhook, may resume its run. Who may only look
is shown :data:`MASK` in their place, wherever they stand: in fields, in values, in logs.

What is masked are the addresses of webhooks, and the tokens that are live; others resume nothing any more.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final
from urllib.parse import quote

import msgspec

from torpor.model import Entities, Event, Hook
from torpor.model.webhooks import ROUTE
from torpor.run_info import RunInfo
from torpor.world import World

MASK: Final = "***"
"""Stands in the place of a token."""

_ADDRESS: Final = re.compile(rf"({re.escape(ROUTE)})[^\s/?#\"'<>()\[\]{{}}\\]+")
_NODE: Final = re.compile(r">([^<>]+)<")
_VALUE: Final = b"devl"
"""Begins an envelope that is neither compressed nor encrypted; what follows is JSON, whose texts are the value's."""
_FOUND_CHARS_MIN: Final = 8
"""A token of fewer characters is masked where it is the whole text, or quoted; inside of others it may be any word."""


class Secrets:
    """The tokens that an answer may contain, as far as its handler has met them."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._runs: set[str] = set()

    def add_hooks(self, tokens: Iterable[str]) -> None:
        """Take note of tokens."""
        self._tokens.update(tokens)

    def add_runs(self, runs: Iterable[RunInfo]) -> None:
        """Take note of the tokens that runs wait for."""
        self._tokens.update(each.name for run in runs for each in run.waits_for if each.kind == "hook")

    def add_run(self, run_id: str) -> None:
        """Take note that the answer is about a run, whose tokens may stand anywhere in it."""
        self._runs.add(run_id)

    async def masked(self, data: Any, world: World) -> Any:
        """Return JSON data, or records, in which no secret stands."""
        return _walk(msgspec.to_builtins(data, builtin_types=(bytes,)), _masking(await self._met(world)))

    async def masked_page(self, page: str, world: World) -> str:
        """Return HTML in which no secret stands."""
        mask = _masking(await self._met(world))

        def node(found: re.Match[str]) -> str:
            text = html.unescape(found[1])
            if mask(text.strip()) == MASK:
                return f">{MASK}<"
            masked = mask(text)
            return found[0] if masked == text else f">{html.escape(masked)}<"

        return mask(_NODE.sub(node, page))

    async def _met(self, world: World) -> set[str]:
        rows = await world.open_entities_of(list(self._runs)) if self._runs else {}
        tokens = {hook.token for each in rows.values() for hook in each.hooks.values() if hook.status == "live"}
        return self._tokens | tokens


def without_tokens(value: Any) -> Any:
    """Return an answer of a world in which hooks have no tokens."""
    match value:
        case Hook():
            return msgspec.structs.replace(value, token=MASK)
        case Entities():
            hooks = {name: without_tokens(hook) for name, hook in value.hooks.items()}
            return msgspec.structs.replace(value, hooks=hooks)
        case Event() if value.type.startswith("hook_"):
            return msgspec.structs.replace(value, name=MASK)
        case list():
            return [without_tokens(each) for each in value]
        case dict():
            return {key: without_tokens(each) for key, each in value.items()}
        case _:
            return value


def _masking(tokens: Collection[str]) -> Callable[[str], str]:
    """Return what masks a text."""
    whole = {*tokens, *(f"token {token}" for token in tokens)}
    long = [form for token in tokens if len(token) >= _FOUND_CHARS_MIN for form in _forms(token)]
    inside, quoted = _any_of(long), _any_of(form for token in tokens for form in _quotations(token))

    def mask(text: str) -> str:
        if text in whole:
            return MASK
        text = _ADDRESS.sub(rf"\1{MASK}", text)
        text = quoted.sub(lambda found: f"{found[0][0]}{MASK}{found[0][-1]}", text)
        return inside.sub(MASK, text)

    return mask


def _any_of(forms: Iterable[str]) -> re.Pattern[str]:
    """Return what finds the longest of several texts, and nothing where there are none."""
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or r"(?!)")


def _forms(token: str) -> set[str]:
    """Return how a token may be written: plain, in an address, in HTML, in a quotation."""
    return {token, quote(token, safe=""), html.escape(token), *(form[1:-1] for form in _quotations(token))}


def _quotations(token: str) -> set[str]:
    """Return how Python and JavaScript quote a token, such as where a task is told to wait for its hook."""
    return {repr(token), json.dumps(token), json.dumps(token, ensure_ascii=False)}


def _walk(data: Any, mask: Callable[[str], str]) -> Any:
    match data:
        case str():
            return mask(data)
        case bytes() if data.startswith(_VALUE):
            return _VALUE + msgspec.json.encode(_walk(msgspec.json.decode(data[len(_VALUE) :]), mask))
        case list():
            return [_walk(each, mask) for each in data]
        case dict():
            return {mask(key): _walk(each, mask) for key, each in data.items()}
        case _:
            return data
