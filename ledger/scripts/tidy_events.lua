-- Removes old events that belong to no payment (those about endpoints). ARGV: before (ms), limit. Answer: how many
-- uses: retention
local removed = 0
for _, kind in ipairs({"endpoint.failing", "endpoint.disabled", "endpoint.recovered", "relay.test"}) do
  for _, event in ipairs(redis.call("ZRANGEBYSCORE", k("evts", "t", kind), "-inf", ARGV[1], "LIMIT", 0, ARGV[2])) do
    local waits = false
    for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
      waits = waits or redis.call("HGET", k("dlv", event .. "." .. ep), "state") == "pending"
    end
    if not waits then
      forget_event(event)
      removed = removed + 1
    end
  end
end
return removed
