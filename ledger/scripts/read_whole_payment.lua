-- Reads the record of a payment. Later changes of it get a greater revision.
-- ARGV: merchant, imp_uid
-- Returns: {revision, last changed at (ms, or ""), next look at (ms, or ""), {head, record, i'mport's object} or {}}
-- uses: lanes outbox payments records
local m, imp = take(), take()
local p = m .. "/" .. imp
local next_look = due_at(lane_of_payment(m, imp), imp)
return {int(revision()), redis.call("ZSCORE", k("ageing"), p) or "", next_look and int(next_look) or "", whole_record(p)}
