"""Signatures as text, which are bound and compared where their functions are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from torpor.signatures import bind, covers, signature_text


def nothing() -> None:
    """Take nothing."""


def all_kinds(a: int, /, b: str = "x", *rest: int, c: float, d: float = 1.5, **more: Any) -> None:
    """Take a parameter of each kind."""


def test_the_text_tells_names_kinds_and_what_may_be_left_out() -> None:
    """Annotations and the values of defaults are of no account: they are the step's own affair."""
    assert signature_text(all_kinds) == "(a, /, b=..., *rest, c, d=..., **more)"
    assert signature_text(nothing) == "()"


def test_a_callable_that_does_not_tell_takes_everything() -> None:
    """Its text is empty, which stands for what is not known."""
    assert signature_text(type) == ""
    assert bind("", (1, 2), {"c": 3}) == ((1, 2), {"c": 3})


def test_a_text_of_a_later_version_takes_everything() -> None:
    """What cannot be read refuses nothing."""
    assert bind("(a, b=... -> later)", (1, 2, 3), {}) == ((1, 2, 3), {})
    assert covers("(a)", "(a, b=... -> later)")


def test_arguments_are_bound_by_position_as_far_as_can_be() -> None:
    """A call by name is the same call."""
    assert bind("(a, b=..., *, c=...)", (1,), {"c": 3, "b": 2}) == ((1, 2), {"c": 3})


@pytest.mark.parametrize(
    ("text", "args", "kwargs", "why"),
    [
        ("(a)", (), {}, "missing a required argument: 'a'"),
        ("(a)", (1, 2), {}, "too many positional arguments"),
        ("(a)", (1,), {"b": 2}, "got an unexpected keyword argument 'b'"),
    ],
)
def test_what_does_not_fit_is_told_as_python_does(
    text: str, args: tuple[int], kwargs: dict[str, int], why: str
) -> None:
    """The message names the parameter."""
    with pytest.raises(TypeError, match=why):
        bind(text, args, kwargs)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("(a, b=...)", "(a)"),
        ("(a=...)", "(a)"),
        ("(a, *, b=...)", "(a)"),
        ("(a, *rest, **more)", "(a, b=..., *, c)"),
        ("(a, b=...)", "(a, *, b=...)"),
        ("(x, /)", "(a, /)"),
        ("(x)", "(a, /)"),
        ("(a)", ""),
        ("", "(a)"),
    ],
)
def test_a_signature_that_takes_more_covers_the_old_one(new: str, old: str) -> None:
    """A new optional parameter, or one that became optional, changes nothing for who calls as before."""
    assert covers(new, old)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("(a, b)", "(a)"),
        ("(a)", "(a, b=...)"),
        ("(a)", "(a=...)"),
        ("(b)", "(a)"),
        ("(b, a)", "(a, b)"),
        ("(a, /)", "(a)"),
        ("(*, a)", "(a)"),
        ("(a, *, b)", "(a)"),
        ("(a)", "(a, *rest)"),
        ("(a)", "(a, **more)"),
        ("(a, b=...)", "(a, *rest, b=...)"),
        ("(a, **more)", "(b, /, **more)"),
    ],
)
def test_a_signature_that_takes_less_does_not(new: str, old: str) -> None:
    """Some call that fitted fits no more, or would mean another parameter."""
    assert not covers(new, old)


def test_names_do_not_matter_to_who_passes_by_position_only() -> None:
    """As workflows in JavaScript do."""
    assert covers("(b)", "(a)", by_name=False)
    assert not covers("(b, c)", "(a)", by_name=False)
    assert not covers("(b, *, c)", "(a)", by_name=False)


NAMES = ("a", "b", "c", "d")


@st.composite
def functions(draw: st.DrawFn) -> Callable[..., Any]:
    """Return a function that returns what each of its parameters got."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    only_by_position = draw(st.integers(0, len(names)))
    by_position = draw(st.integers(only_by_position, len(names)))
    first_default = draw(st.integers(0, by_position))
    parts = [name if at < first_default else f"{name}=None" for at, name in enumerate(names[:by_position])]
    if only_by_position:
        parts.insert(only_by_position, "/")
    if draw(st.booleans()):
        parts.append("*rest")
    elif by_position < len(names):
        parts.append("*")
    parts += [draw(st.sampled_from([name, f"{name}=None"])) for name in names[by_position:]]
    if draw(st.booleans()):
        parts.append("**more")
    scope: dict[str, Any] = {}
    exec(f"def f({', '.join(parts)}): return locals()", scope)  # noqa: S102  # it is made here
    return scope["f"]  # type: ignore[no-any-return]


@given(functions(), functions(), st.integers(0, 5), st.sets(st.sampled_from((*NAMES, "z"))))
def test_what_is_covered_still_fits_and_means_the_same(
    new: Callable[..., Any], old: Callable[..., Any], count: int, names: set[str]
) -> None:
    """Every call of the old function is a call of the new one that gives parameters of one name the same."""
    assume(covers(signature_text(new), signature_text(old)))
    args, kwargs = tuple(range(count)), {name: name for name in names}
    try:
        before = old(*args, **kwargs)
    except TypeError:
        return
    after = new(*args, **kwargs)
    for name in before.keys() & after.keys() & _named(old) & _named(new):
        assert before[name] in (None, after[name])


def _named(function: Callable[..., Any]) -> set[str]:
    """Return the parameters that may be passed by name."""
    by_position_only, ended, _ = signature_text(function).partition("/")
    return set(NAMES) - set(by_position_only if ended else "")


@given(functions(), st.integers(0, 5), st.sets(st.sampled_from((*NAMES, "z"))))
def test_a_text_takes_what_its_function_takes(function: Callable[..., Any], count: int, names: set[str]) -> None:
    """Neither more nor less."""
    args, kwargs = tuple(range(count)), {name: name for name in names}
    try:
        function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            bind(signature_text(function), args, kwargs)
    else:
        positional, named = bind(signature_text(function), args, kwargs)
        function(*positional, **named)


@given(functions())
def test_a_signature_covers_itself(function: Callable[..., Any]) -> None:
    """So the same code never waits for another worker."""
    assert covers(signature_text(function), signature_text(function))
    assert covers(signature_text(function), signature_text(function), by_name=False)
