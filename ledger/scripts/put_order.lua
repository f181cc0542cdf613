-- Stores what a merchant expects to be paid for an order, and marks the order's newest payments dirty.
-- ARGV: merchant, merchant_uid, expectation (JSON), entry for history
-- Returns: {lanes to kick, "unknown" (there is no such merchant) or "stored"}
-- uses: lanes merchants opening outbox payments
local MOST = 100
local m, merchant_uid, expectation, entry, lanes = take(), take(), take(), take(), {}
must_be_open()
if not needs_no_row(m) and redis.call("EXISTS", k("merchant", m)) == 0 then return {{}, "unknown"} end
redis.call("HSET", k("orders", m), merchant_uid, expectation)
append_entry(entry, {changed_at = now(), revision = revision()})
for _, p in ipairs(redis.call("ZREVRANGE", k("pays", "u", merchant_uid), 0, MOST - 1)) do
  if string.sub(p, 1, #m + 1) == m .. "/" then
    local imp = string.sub(p, #m + 2)
    decide_silent(m, imp, "0")
    lanes[mark_dirty(m, imp, now())] = true
  end
end
return {announce(lanes), "stored"}
