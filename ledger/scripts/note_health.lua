-- Replaces how an endpoint is doing, if it is still what was read. ARGV: endpoint, before, after (JSON or ""), open until (ms, 0)
-- Answer: lanes to kick, or nil where somebody else wrote since
local ep = ARGV[1]
local row, live = k("endpoint", ep), k("lane", "deliver/" .. ep)
if (redis.call("HGET", row, "health") or "") ~= ARGV[2] then return nil end
redis.call("HSET", row, "health", ARGV[3])
if tonumber(ARGV[4]) > 0 then
  redis.call("HSET", live, "probe", "1")
  local open_until = math.max(tonumber(ARGV[4]), tonumber(redis.call("HGET", live, "not_before") or 0))
  redis.call("HSET", live, "not_before", int(open_until))
else
  redis.call("HDEL", live, "probe")
  redis.call("HDEL", k("lane", "replay/" .. ep), "not_before")
  -- A Retry-After outlives the breaker.
  local told = redis.call("HGET", live, "told_until")
  if told and tonumber(told) > now() then
    redis.call("HSET", live, "not_before", told)
  else
    redis.call("HDEL", live, "not_before", "told_until")
  end
end
local kicks = {}
for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
  if redis.call("EXISTS", k("lane", lane)) == 1 and kick(lane, index_lane(lane)) then kicks[#kicks + 1] = lane end
end
return kicks
