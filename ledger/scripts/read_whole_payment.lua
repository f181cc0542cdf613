-- Reads a payment with its events, deliveries and attempts. What changes it later gets a greater revision.
-- ARGV: merchant, imp_uid
-- Returns: {revision, last changed at (ms, or ""), next look at (ms, or ""), {head, record, i'mport's object} or {}, events, objects}
-- uses: lanes outbox payments records whole
local m, imp = take(), take()
local p = m .. "/" .. imp
local events = {}
for i, event in ipairs(redis.call("ZRANGE", k("evts", "p", p), 0, -1)) do events[i] = whole_event(event, p) end
local next_look = due_at(lane_of_payment(m, imp), imp)
return {int(revision()), redis.call("ZSCORE", k("ageing"), p) or "", next_look and int(next_look) or "", whole_record(p), events, objects}
