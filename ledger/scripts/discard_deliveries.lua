-- Discards unsettled deliveries of a deleted endpoint, up to 500 at a time, also those that are being sent: their worker finds that the
-- fencing token is gone.
-- ARGV: endpoint
-- Returns: how many were discarded; 0 when none is left
-- uses: lanes outbox reasons replays
local MOST = 500
local ep = take()
if redis.call("HGET", k("endpoint", ep), "state") ~= "deleted" then return 0 end
local pending, discarded = k("dlvs", "s", ep .. "/pending"), k("dlvs", "s", ep .. "/discarded")
local rows = redis.call("ZRANGE", pending, 0, MOST - 1, "WITHSCORES")
for i = 1, #rows, 2 do
  local id, created = rows[i], rows[i + 1]
  local m, imp, rpl = unpack(redis.call("HMGET", k("dlv", id), "merchant", "imp_uid", "replay_id"))
  redis.call("ZREM", pending, id)
  redis.call("ZADD", discarded, created, id)
  set_delivery(id, "state", "discarded", "reason", because("endpoint_deleted"), "next_at", "")
  for _, lane in ipairs(lanes_of_endpoint(ep)) do remove_from_lane(lane, id) end
  if rpl then count_replayed(id, rpl, "failed") end
  if m then redis.call("DEL", k("chain", ep .. "/" .. m .. "/" .. (imp or ""))) end
end
return #rows / 2
