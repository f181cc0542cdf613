-- Reads a payment with its events, deliveries and attempts. What changes it later gets a greater revision.
-- ARGV: merchant, imp_uid
-- Returns: {revision, last changed at (ms, or ""), next look at (ms, or ""), {head, record, i'mport's object} or {}, events, objects}
-- uses: lanes outbox payments records whole
local m, imp = take(), take()
local p = m .. "/" .. imp
local events = whole_events(k("pay", p))
local next_look = due_at(lane_of_payment(m, imp), imp)
return {int(revision()), redis.call("ZSCORE", k("ageing"), p) or "", next_look and int(next_look) or "", whole_record(p), events, objects}
