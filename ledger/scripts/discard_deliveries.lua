-- Discards up to 500 unsettled deliveries of a deleted endpoint. One that is being sent is discarded too: its result
-- finds its fencing token gone. ARGV: endpoint. Answer: how many were discarded; 0 when none is left
-- uses: reasons replays
local ep = ARGV[1]
if redis.call("HGET", k("endpoint", ep), "state") ~= "deleted" then return 0 end
local pending, discarded = k("dlvs", "s", ep .. "/pending"), k("dlvs", "s", ep .. "/discarded")
local rows = redis.call("ZRANGE", pending, 0, 499, "WITHSCORES")
for i = 1, #rows, 2 do
  local id, created = rows[i], rows[i + 1]
  local m, imp, rpl = unpack(redis.call("HMGET", k("dlv", id), "merchant", "imp_uid", "replay_id"))
  redis.call("ZREM", pending, id)
  redis.call("ZADD", discarded, created, id)
  redis.call("HSET", k("dlv", id), "state", "discarded", "reason", because("endpoint_deleted"), "next_at", "")
  for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
    redis.call("ZREM", k("due", lane), id)
    redis.call("ZREM", k("leased", lane), id)
    redis.call("HDEL", k("tokens", lane), id)
    redis.call("ZREM", k("touched", lane), id)
  end
  if rpl then count_replayed(id, rpl, "failed") end
  if m then redis.call("DEL", k("chain", ep .. "/" .. m .. "/" .. (imp or ""))) end
end
return #rows / 2
