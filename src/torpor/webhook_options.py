"""What workflow code may say of a webhook: how it answers, and whose requests it believes."""

from __future__ import annotations

from typing import Any, Final

from torpor.durations import Duration, milliseconds
from torpor.errors import UsageError

SCHEMES: Final = ("github", "stripe", "slack", "standard", "hmac")
"""How requests may be signed; see :mod:`torpor.webhooks.verifying`."""

NAME_CHARS_MAX: Final = 256
"""The name of an environment variable, or of a header."""

TOLERANCE_SECONDS_MAX: Final = 86_400


def checked(
    answer: str, verify: str | None, secret: str | None, header: str | None, tolerance: Duration | None
) -> dict[str, Any]:
    """
    Return how a webhook answers and whom it believes, as it travels; what is usual is left out.

    Args:
        answer: ``accepted``, ``static`` or ``manual``.
        verify: how requests are signed, one of :data:`SCHEMES`, None for not at all.
        secret: the name of the environment variable that has the secret.
        header: of ``hmac``: which header has the signature.
        tolerance: how old a signed timestamp may be, up to a day.

    Raises:
        UsageError: one of them makes no sense.
    """
    if verify is None:
        lost = next((name for name, given in _named(secret, header, tolerance) if given is not None), None)
        if lost is not None:
            raise UsageError(f"webhook: {lost}= is for signed requests; say how they are signed: verify=…")
        return {} if answer == "accepted" else {"answer": answer}
    if verify not in SCHEMES:
        raise UsageError(f"webhook: verify={verify!r} is unknown; there are {', '.join(map(repr, SCHEMES))}")
    if not isinstance(secret, str) or not 0 < len(secret) <= NAME_CHARS_MAX:
        raise UsageError(
            f"webhook: verify={verify!r} needs secret=, the name of the environment variable that has the secret"
        )
    if (header is not None) != (verify == "hmac") or (header is not None and not 0 < len(header) <= NAME_CHARS_MAX):
        raise UsageError("webhook: header= says which header has the signature, for verify='hmac' and for that only")
    options: dict[str, Any] = {"verify": verify, "secret": secret}
    if answer != "accepted":
        options["answer"] = answer
    if header is not None:
        options["header"] = header
    if tolerance is not None:
        options["tolerance_s"] = _seconds(tolerance)
    return options


def _named(secret: object, header: object, tolerance: object) -> tuple[tuple[str, object], ...]:
    return ("secret", secret), ("header", header), ("tolerance", tolerance)


def _seconds(tolerance: Duration) -> int:
    try:
        seconds = -(-milliseconds(tolerance) // 1000)
    except (TypeError, ValueError) as error:
        raise UsageError(f"webhook: tolerance: {error}") from None
    if not 0 < seconds <= TOLERANCE_SECONDS_MAX:
        raise UsageError(f"webhook: tolerance is {tolerance!r}; it is up to a day, and more than nothing")
    return int(seconds)
