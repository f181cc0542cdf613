-- Discards unsettled deliveries of a deleted endpoint, up to 500 at a time, also those that are being sent: their worker finds that the
-- fencing token is gone.
-- ARGV: endpoint
-- Returns: how many were discarded; 0 when none is left
-- uses: chains events lanes reasons replays
local MOST = 500
local ep = take()
if redis.call("HGET", k("endpoint", ep), "state") ~= "deleted" then return 0 end
local rows = redis.call("ZRANGE", k("dlvs", "s", ep .. "/pending"), 0, MOST - 1, "WITHSCORES")
for i = 1, #rows, 2 do
  local id, created = rows[i], rows[i + 1]
  local m, imp, rpl = unpack(redis.call("HMGET", k("dlv", id), "merchant", "imp_uid", "replay_id"))
  end_delivery(id, ep, "pending", "discarded", because("endpoint_deleted"), created)
  for _, lane in ipairs(lanes_of_endpoint(ep)) do remove_from_lane(lane, id) end
  if rpl then count_replayed(id, rpl, "failed") end
  if m then redis.call("DEL", chain_of(ep, m, imp or "")) end
end
return #rows / 2
