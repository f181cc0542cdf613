-- Writes the record of a payment anew, without its buyer, once its events are; and tells history of it.
-- ARGV: merchant, imp_uid, version it was read at, how many objects its events show, version, record, i'mport's object, entry of the
--       payment, entry of the erasure
-- Returns: "erased", or "changed" where the record was written since it was read
-- uses: lanes outbox payments records
local m, imp, version_before, shown, version, record, object = take(), take(), take(), take_number(), take(), take(), take()
local p = m .. "/" .. imp
local head = head_of(p)
if not head or head.version ~= version_before then return "changed" end
if shown > 0 then
  local WHOLE_AND_SPENT = 2
  if redis.call("HLEN", k("blank_snaps", p)) < shown + WHOLE_AND_SPENT then return "changed" end
  redis.call("RENAME", k("blank_snaps", p), k("snaps", p))
end
head.version, head.snap = version, ""
redis.call("HSET", k("pay", p), "head", head_text(head), "record", record, "object", object)
local next_look = due_at(lane_of_payment(m, imp), imp)
append_entry(take(), {first_at = number_in(head.first_at), changed_at = now(), fetched_at = number_in(head.fetched_at),
  next_look_at = next_look, silent = not head.is_announced, revision = revision()})
append_entry(take())
list(k("ageing"), p, int(now()))
return "erased"
