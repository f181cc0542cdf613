-- Adds a merchant whose credentials are in the environment, unless it is known.
-- ARGV: merchant, for how long before now its events are delivered (ms)
-- Returns: 1 if it is new, else 0
-- uses: opening outbox
local m, head_start = take(), take_number()
local row = k("merchant", m)
must_be_open()
if redis.call("EXISTS", row) == 1 then return 0 end
local created = now()
redis.call("HSET", row, "created_at", int(created), "since", int(created - head_start),
  "include_sandbox", "0", "check_prepared", "0", "imp_key", "", "imp_secret", "", "token_hash", "", "trouble", "")
redis.call("ZADD", k("merchants"), "NX", int(created), m)
mark_changed("merchant", m)
return 1
