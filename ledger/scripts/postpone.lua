-- Ends the lease of a payment that could not be looked at, or that i'mport does not know: due again later, or never.
-- ARGV: lane, imp_uid, token, to lane, due in (ms, or "" for never), kind ("again", "stalled", "unknown",
--       "rejected", "hidden": the same, as it does not exist for the merchant), reason (of a rejection, or why this one
--       payment cannot be looked at: shown with the latest notifications that wait for it), tries as after this,
--       when the look began (ms; "hidden" only)
-- Answer: the lane to kick, or ""; a lease that was lost changes nothing
-- uses: lanes payments

local lane, imp, token, to = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local p = string.match(lane, "/(.*)$") .. "/" .. imp
if not holds(lane, imp, token) then return "" end
local at = ARGV[5] ~= "" and now() + tonumber(ARGV[5]) or nil
release(lane, imp, at)
redis.call("HDEL", k("tries", lane), imp)
if ARGV[6] == "rejected" or ARGV[6] == "hidden" then
  if ARGV[6] == "hidden" then redis.call("SET", k("hidden", p), ARGV[9], "PX", 86400000) end
  settle_notifications(redis.call("ZRANGEBYSCORE", k("waiting", p), "-inf", token), p, "rejected", ARGV[7], "")
  forget_claims(p, token)
  redis.call("SREM", k("quiet", lane), imp)
else
  redis.call("HSET", k("tries", to), imp, ARGV[8])
  if ARGV[6] == "stalled" then redis.call("ZADD", k("stalled", to), int(now()), imp) end
  if ARGV[7] ~= "" then
    for _, id in ipairs(redis.call("ZRANGE", k("waiting", p), -20, -1)) do redis.call("HSET", k("ntf", id), "trouble", ARGV[7]) end
  end
end
if to ~= lane and redis.call("SREM", k("quiet", lane), imp) == 1 then redis.call("SADD", k("quiet", to), imp) end
move(lane, to, imp)
-- At least a second between two looks at an unknown payment, whatever was posted about it meanwhile.
if string.sub(to, 1, 8) == "unknown/" then redis.call("ZADD", k("due", to), "XX", "GT", int(now() + 1000), imp) end
return kick(to, index_lane(to)) and to or ""
