-- Reads the record of a payment. What changes it later gets a greater revision.
-- ARGV: merchant, imp_uid
-- Returns: {revision, last changed at (ms, or ""), next look at (ms, or ""), its fields, its facts}
-- uses: lanes outbox payments
local m, imp = take(), take()
local p = m .. "/" .. imp
local next_look = due_at(lane_of_payment(m, imp), imp)
return {int(revision()), redis.call("ZSCORE", k("ageing"), p) or "", next_look and int(next_look) or "",
  redis.call("HGETALL", k("pay", p)), redis.call("HGETALL", k("facts", p))}
