-- Puts back the record of a payment whose events were put back, and marks it dirty at its next look. The record comes last: a payment
-- that this ledger has is whole.
-- ARGV: merchant, imp_uid, first recorded at, next look at (ms, or "" for none), merchant_uid,
--       how many fields, (field, value)…, how many facts, (key, JSON)…
-- Returns: 1, or 0 where this ledger has it
-- uses: lanes merchants payments
local m, imp, first_at, next_look_at, merchant_uid = take(), take(), take(), take_number(), take()
local p = m .. "/" .. imp
if redis.call("HEXISTS", k("pay", p), "version") == 1 then return 0 end
local fields = take_rows(2)
local facts = take_rows(2)
if next_look_at then
  if not needs_no_row(m) and redis.call("EXISTS", k("merchant", m)) == 0 then
    -- It waits in a closed lane, as payments of a deleted merchant do.
    redis.call("ZADD", k("merchants", "deleted"), "NX", int(now()), m)
    close_lanes(lanes_of_merchant(m))
  end
  touch("refresh/" .. m, imp, math.max(next_look_at, now()))
  index_lane("refresh/" .. m)
end
with_all("HSET", k("facts", p), facts)
list_payment(p, merchant_uid, first_at)
list(k("ageing"), p, int(now()))
with_all("HSET", k("pay", p), fields)
return 1
