"""
What the server carries out in one piece: two scripts, neither of which knows a rule.

:data:`STORE` gets groups of what was read and of what is to be written, as plain commands, and carries out those groups
of which all is still as it was read, and no key is of another type than they want. :data:`LOOK` tells what comes first
in some places of the queue.
"""

from __future__ import annotations

from typing import Final

KINDS: Final = {
    "HSET": b"hash",
    "HDEL": b"hash",
    "HSETNX": b"hash",
    "ZADD": b"zset",
    "ZREM": b"zset",
    "RPUSH": b"list",
    "LTRIM": b"list",
}
"""What keys must be for commands, as the script knows it."""

STORE: Final = """
-- KEYS: where this client notes what it stored last
-- ARGV: its connection, the number of this request, channel, news, how many groups;
-- of each group how many checks: key, field, and '-' for none, '+' and the value, or '^' and how it begins;
-- and how many writes: length, command
local number = ARGV[2]
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and string.sub(known, 1, #number) == number then
  redis.call('HSET', KEYS[1], ARGV[1], known) -- WAIT waits for what this connection has written, and it is a new one
  return string.sub(known, #number + 1)
end
-- returns of each group 1 when it is stored, 0 when it is not, and x when a key is of another type
local kinds = {@KINDS@}
local types = {}
-- A command that the server refuses would leave a part of its group written: so this is asked before the first one.
local function sound(key, command)
  if types[key] == nil then types[key] = redis.call('TYPE', key).ok end
  return kinds[command] == nil or types[key] == 'none' or types[key] == kinds[command]
end
local at, stored, any = 6, {}, false
for group = 1, tonumber(ARGV[5]) do
  local fits, damaged = true, false
  local checks = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, checks do
    if fits and not sound(ARGV[at], 'HSET') then fits, damaged = false, true end
    if fits then
      local is = redis.call('HGET', ARGV[at], ARGV[at + 1])
      local must = ARGV[at + 2]
      if string.sub(must, 1, 1) == '^' then fits = is and '^' .. string.sub(is, 1, #must - 1) == must
      elseif is then fits = must == '+' .. is
      else fits = must == '-' end
    end
    at = at + 3
  end
  local writes = tonumber(ARGV[at])
  at = at + 1
  local write = at
  for _ = 1, fits and writes or 0 do
    local command = write + (ARGV[write + 1] == '?' and 2 or 1)
    if not sound(ARGV[command + 1], ARGV[command]) then fits, damaged = false, true end
    write = write + tonumber(ARGV[write]) + 1
  end
  for _ = 1, writes do
    local length = tonumber(ARGV[at])
    if fits then
      if ARGV[at + 1] ~= '?' then redis.call(unpack(ARGV, at + 1, at + length))
      elseif redis.call('EXISTS', ARGV[at + 3]) == 1 then redis.call(unpack(ARGV, at + 2, at + length)) end
    end
    at = at + length + 1
  end
  stored[group] = fits and '1' or damaged and 'x' or '0'
  any = any or fits
end
local answer = table.concat(stored)
if any then
  redis.call('HSET', KEYS[1], ARGV[1], number .. answer)
  if ARGV[4] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
end
return answer
""".replace("@KINDS@", ", ".join(f"{command} = '{kind.decode()}'" for command, kind in KINDS.items()))

LOOK: Final = """
-- KEYS: of each place the set of what is ready, that of what is ready later, and the set that the place is in
-- ARGV: the time, how many of each place, how many of the later ones; and of each place what stands for it in its set
local found = {}
-- One place that is damaged keeps nobody from the others.
local function sound(key)
  local kind = redis.call('TYPE', key).ok
  return kind == 'zset' or kind == 'none'
end
local function look(at)
  local due = redis.call('ZRANGEBYSCORE', KEYS[at + 1], '-inf', ARGV[1], 'LIMIT', 0, 1000)
  for _, member in ipairs(due) do
    redis.call('ZADD', KEYS[at], 0, member)
    redis.call('ZREM', KEYS[at + 1], member)
  end
  local ready = redis.call('ZRANGEBYLEX', KEYS[at], '-', '+', 'LIMIT', 0, ARGV[2])
  local later = redis.call('ZRANGE', KEYS[at + 1], 0, ARGV[3] - 1, 'WITHSCORES')
  if #ready == 0 and #later == 0 then redis.call('ZREM', KEYS[at + 2], ARGV[(at + 2) / 3 + 3]) end
  return ready, later
end
for at = 1, #KEYS, 3 do
  local ready, later = {}, {}
  if sound(KEYS[at]) and sound(KEYS[at + 1]) and sound(KEYS[at + 2]) then ready, later = look(at) end
  found[#found + 1] = ready
  found[#found + 1] = later
end
return found
"""
