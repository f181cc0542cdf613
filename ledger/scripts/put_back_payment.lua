-- Puts back the record of a payment whose events were put back, and makes it due at its next look-up. The record is written last, so that
-- a payment with a record is whole.
-- ARGV: merchant, imp_uid, first recorded at, next look at (ms, or "" for none), merchant_uid, version, looked up at (ms, or ""), whether
--       events of it were delivered, whether a cancellation is open (0 or 1 each), record, i'mport's object
-- Returns: 1, or 0 if this ledger has the record
-- uses: lanes merchants orders records
local m, imp, first_at, next_look_at, merchant_uid = take(), take(), take(), take_number(), take()
local p = m .. "/" .. imp
if has_record(p) then return 0 end
local head = {version = take(), first_at = first_at, fetched_at = take(), webhook_at = "", snap = "", is_announced = take_flag(),
  is_cancelling = take_flag(), merchant_uid = merchant_uid}
local record, object = take(), take()
if next_look_at then
  if not needs_no_row(m) and redis.call("EXISTS", k("merchant", m)) == 0 then
    -- The payment waits in a closed lane, as payments of a deleted merchant do.
    redis.call("ZADD", k("merchants", "deleted"), "NX", int(now()), m)
    close_lanes(lanes_of_merchant(m))
  end
  touch("refresh/" .. m, imp, math.max(next_look_at, now()))
  index_lane("refresh/" .. m)
end
list_under_orders(m, {{imp, merchant_uid}})
list(k("ageing"), p, int(now()))
redis.call("HSET", k("pay", p), "head", head_text(head), "record", record, "object", object)
return 1
