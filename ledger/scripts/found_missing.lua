-- Marks payments dirty that a reconciliation found to differ, and remembers them until they were looked at.
-- ARGV: run, merchant, quiet (0 or 1), how many webhooks were lost, imp_uids…  Answer: lanes to kick
local m, lanes, kicks = ARGV[2], {}, {}
for i = 5, #ARGV do
  local imp = ARGV[i]
  redis.call("ZADD", k("recon", ARGV[1], "found"), int(now()), imp)
  local lane = lane_of(m, imp)
  local is_marked = redis.call("ZSCORE", k("due", lane), imp) or redis.call("HEXISTS", k("tokens", lane), imp) == 1
  if ARGV[3] == "1" and not is_marked then redis.call("SADD", k("quiet", lane), imp) end
  lanes[mark(m, imp, now())] = true
end
redis.call("EXPIRE", k("recon", ARGV[1], "found"), 172800)
if ARGV[4] ~= "0" then count_day("lost", ARGV[4]) end
for lane in pairs(lanes) do
  if kick(lane, index_lane(lane)) then kicks[#kicks + 1] = lane end
end
return kicks
