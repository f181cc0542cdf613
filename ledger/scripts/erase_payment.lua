-- Writes the record of a payment anew, without its buyer, once its events are; and tells history of it.
-- ARGV: merchant, imp_uid, version it was read at, how many objects its events show, how many fields, (field, value)…, how many facts, (key, JSON)…,
--       entry of the payment, entry of the erasure
-- Returns: "erased", or "changed" where the record was written since it was read
-- uses: lanes outbox payments
local m, imp, version, shown = take(), take(), take(), take_number()
local p = m .. "/" .. imp
local found, first_at, announced, fetched_at =
  unpack(redis.call("HMGET", k("pay", p), "version", "first_at", "announced", "fetched_at"))
if found ~= version then return "changed" end
if shown > 0 then
  local WHOLE_AND_SPENT = 2
  if redis.call("HLEN", k("blank_snaps", p)) < shown + WHOLE_AND_SPENT then return "changed" end
  redis.call("RENAME", k("blank_snaps", p), k("snaps", p))
end
local fields, facts = take_rows(2), take_rows(2)
redis.call("DEL", k("facts", p))
with_all("HSET", k("facts", p), facts)
redis.call("HSET", k("pay", p), unpack(fields))
local next_look = due_at(lane_of_payment(m, imp), imp)
append_entry(take(), {first_at = number_in(first_at), changed_at = now(), fetched_at = number_in(fetched_at), next_look_at = next_look,
  silent = announced ~= "1", revision = revision()})
append_entry(take())
list(k("ageing"), p, int(now()))
return "erased"
