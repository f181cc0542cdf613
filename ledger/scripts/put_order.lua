-- Stores what a merchant expects to be paid for an order, and marks the order's newest payments dirty.
-- ARGV: merchant, merchant_uid, expectation (JSON), entry for history
-- Returns: {lanes to kick, "unknown" (there is no such merchant) or "stored"}
-- uses: lanes merchants opening orders outbox payments
local MOST = 100
local m, merchant_uid, expectation, entry, lanes = take(), take(), take(), take(), {}
must_be_open()
if not needs_no_row(m) and redis.call("EXISTS", k("merchant", m)) == 0 then return {{}, "unknown"} end
-- Workers that refresh payments now have read that this merchant expects nothing: these payments are refreshed again afterwards.
if redis.call("EXISTS", k("orders", m)) == 0 then
  for _, lane in ipairs(lanes_of_merchant(m)) do
    touch_all(lane, redis.call("ZRANGE", k("leased", lane), 0, -1), now())
    lanes[lane] = true
  end
end
redis.call("HSET", k("orders", m), merchant_uid, expectation)
append_entry(entry, {changed_at = now(), revision = revision()})
local imps = payments_of_order(m, merchant_uid)
for i = math.max(#imps - MOST, 0) + 1, #imps do
  decide_silent(m, imps[i], "0")
  lanes[mark_dirty(m, imps[i], now())] = true
end
return {announce(lanes), "stored"}
