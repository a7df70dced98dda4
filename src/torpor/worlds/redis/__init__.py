"""
A world in Redis: hashes of rows, sorted sets to find them by, and one script that stores what a rule has decided if
what it rests on is still so. See ``docs/redis.md`` and ``docs/adr/0076``.
"""

from torpor.worlds.redis.world import RedisWorld

__all__ = ["RedisWorld"]
