-- Records paid events and postpones their deliveries, as the ledger's own scripts do it.
-- ARGV: merchant, name of the payments, first number, how many, due in (ms), body (with the payment's name as %s),
--       filters that cover the type of the events
-- Returns: Redis' time (ms)
-- uses: lanes events
local m, name, first, how_many, due_in, body, filters = take(), take(), take_number(), take_number(), take_number(), take(), take()
local subscriptions = redis.call("HGETALL", k("subs", m))
for i = first, first + how_many - 1 do
  local imp, lanes = name .. int(i), {}
  local e = {event = "evt_" .. imp, m = m, imp = imp, type = "payment.paid", sequence = 1, body = (string.gsub(body, "%%s", imp)),
    filters = filters}
  record_event(e)
  deliver_to_subscribers(lanes, e, subscriptions)
  for lane in pairs(lanes) do
    redis.call("ZADD", k("due", lane), int(now() + due_in + i), e.event .. "." .. name_of(lane))
    index_lane(lane)
  end
end
return int(now())
