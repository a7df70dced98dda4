"""The driver's errors: what they mean for an operation, and how they are told; translated in this one place."""

from __future__ import annotations

from typing import Final

from redis import exceptions

from torpor.errors import ConfigurationError, DamagedError, WorldError
from torpor.worlds.redis.primary import NoPrimaryError

_ADVICE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.OutOfMemoryError, "the server has no memory left; raise its maxmemory, or delete runs"),
    (exceptions.ReadOnlyError, "this is a replica; name the primary"),
    (exceptions.NoPermissionError, "give the user its rights: docs/redis.md says which"),
    (exceptions.MovedError, "Redis Cluster is not served; name a single primary"),
    (NoPrimaryError, "see whether the sentinels can be reached, and watch a primary of that name; try again"),
)
_SAID: Final = (
    ("NOREPLICAS", "it has fewer replicas than its min-replicas-to-write says; see to them"),
    ("MISCONF", "the server cannot write to its disk; see its log"),
    ("not an integer", "a counter of the world is damaged; `torpor doctor` says which, and what to set it to"),
    ("WRONGTYPE", "a key of the world is not ours; give it another name with ?world="),
    ("CROSSSLOT", "Redis Cluster is not served; name a single primary"),
    ("No permission", "give the user its rights: docs/redis.md says which"),
    ("OOM", "the server has no memory left; raise its maxmemory, or delete runs"),
)
_TRUST: Final = (
    ("certificate verify failed", "the server's certificate is not vouched for; name who vouches by ?ssl_ca_certs="),
)
_LOST: Final = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, OSError)
_UNREACHED: Final = "see whether the server runs and can be reached; try again"
_UNREACHED_TLS: Final = (
    "see whether the server runs, can be reached by TLS, and takes the certificate of ?ssl_certfile=; try again"
)


def is_lost(error: BaseException) -> bool:
    """
    Return whether an error means that the connection is gone, or leads to a server that is not ready yet, or that takes
    no writes any more: another one has taken over, and the address leads there, or soon will; or it waits for replicas.
    """
    if isinstance(error, exceptions.AuthenticationError | exceptions.MaxConnectionsError):
        return False
    return isinstance(error, _LOST) or lacks_replicas(error)


def lacks_replicas(error: BaseException) -> bool:
    """Return whether the server takes no writes while it has too few replicas."""
    return isinstance(error, exceptions.ResponseError) and "NOREPLICAS" in str(error)


def is_of_another_type(error: BaseException) -> bool:
    """Return whether the server refuses because a key is of another type than a command wants."""
    return isinstance(error, exceptions.ResponseError) and "WRONGTYPE" in str(error)


def failure_of(error: Exception, url: str, about: str) -> Exception:
    """
    Return what to raise for whatever an operation raised; raise it ``from`` the original.

    Args:
        error: what was raised.
        url: of the world, without its password.
        about: what was being done to what, such as ``commit of run wrun_01J…``.
    """
    where = f"{about} failed in world {url}, and nothing of it was stored"
    if isinstance(error, DamagedError):
        return DamagedError(error.row, error.problem, run_id=error.run_id, about=where)
    if isinstance(error, exceptions.AuthenticationError):
        return ConfigurationError(f"{where}: {_said(error)}; check user and password in its URL")
    if isinstance(error, exceptions.RedisError | OSError):
        return WorldError(f"{where}: {_said(error)} ({type(error).__name__}): {_advice(error, url)}")
    return error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())


def _advice(error: Exception, url: str) -> str:
    by_kind = (advice for kind, advice in _ADVICE if isinstance(error, kind))
    if advice := next(by_kind, None):
        return advice
    if advice := next((advice for words, advice in (*_TRUST, *_SAID) if words in str(error)), None):
        return advice
    if is_lost(error):
        return _UNREACHED_TLS if url.startswith("rediss") else _UNREACHED
    return "this is not expected; please report it"
