-- Has a job write all that this ledger holds to history again: history was lost, came back with an old copy, or lacks a change.
-- ARGV: place that history has reached ("" if it has lost nothing), first part of the job, its lane, job
-- Returns: {lanes to kick}
-- uses: lanes
local MONTH_SECONDS = 2592000
local place, part, lane, job = take_text(), take(), take(), take()
if place then
  -- Payments that only the lost history knew count as new: their sequences start above all that were used.
  redis.call("SET", k("base"), int(math.floor(now() / 1000)))
  -- Payments that had left the ledger before now may be in neither.
  local left = redis.call("GET", k("left"))
  if left then redis.call("HSET", k("forgotten"), "until", left) end
  redis.call("SET", k("history_lost"), int(now()), "EX", MONTH_SECONDS)
end
-- From now on nothing leaves (see remove_payments.lua) until history has all that this ledger holds.
redis.call("HSET", k("rewriting"), "run", redis.call("INCR", k("seq")), "part", part, "cursor", "0")
touch(lane, job, now())
-- Last: if Redis refuses a command before these, all of this is done again.
if place then redis.call("SET", k("recorded"), place) end
redis.call("DEL", k("lacking"))
return {index_and_kick(lane)}
