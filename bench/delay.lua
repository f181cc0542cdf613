-- Records paid events and puts their deliveries off, as the ledger's own scripts do it.
-- ARGV: merchant, name of the payments, first number, how many, due in (ms), body (with the payment's name as %s)
-- Answer: Redis' time in ms
-- uses: lanes events
local m, name, body = ARGV[1], ARGV[2], ARGV[6]
local subs = redis.call("HGETALL", k("subs", m))
for i = tonumber(ARGV[3]), ARGV[3] + ARGV[4] - 1 do
  local imp = name .. int(i)
  local lanes = {}
  record(lanes, subs, m, imp, "evt_" .. imp, "payment.paid", 1, false, (string.gsub(body, "%%s", imp)))
  for lane in pairs(lanes) do
    local ep = string.match(lane, "/(.*)$")
    redis.call("ZADD", k("due", lane), int(now() + ARGV[5] + i), "evt_" .. imp .. "." .. ep)
    index_lane(lane)
  end
end
return int(now())
