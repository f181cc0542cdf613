-- Creates a replay and makes its first step due.
-- ARGV: id, lane of its job, cursor (ms: events recorded up to then are skipped), until (ms, or "" for now),
--       how many fields, (field, value)…
-- Returns: {lanes to kick}
-- uses: lanes outbox
local id, lane, cursor, till, fields = take(), take(), take(), take_number(), take_rows(2)
local at = int(now())
redis.call("HSET", k("replay", id), "state", "running", "walked", "0", "cursor", cursor,
  -- Events that are recorded from now on are sent anyway.
  "until", int(math.min(till or now(), now())), "created_at", at, "queued", "0", "delivered", "0", "failed", "0", unpack(fields))
redis.call("ZADD", k("replays"), at, id)
mark_changed("replay", id)
touch(lane, id, now())
return {index_and_kick(lane)}
