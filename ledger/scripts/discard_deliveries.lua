-- Discards unsettled deliveries of a deleted endpoint, up to 500 at a time. If one is being sent, its worker finds that the fencing token
-- is gone.
-- ARGV: endpoint
-- Returns: how many were discarded; 0 when none is left
-- uses: deliveries lanes reasons replays
local MOST = 500
local ep = take()
if redis.call("HGET", k("endpoint", ep), "state") ~= "deleted" then return 0 end
local pending = k("dlvs", "s", ep .. "/pending")
local ids = redis.call("ZRANGE", pending, 0, MOST - 1)
find_deliveries(ids)
for _, id in ipairs(ids) do
  local d = delivery(id)
  if d and d.state == "pending" then
    end_delivery(d, "discarded", because("endpoint_deleted"))
    save(d)
    if d.replay_id then count_replayed(d, "failed") end
  else
    list(pending, id, nil)
  end
  for _, lane in ipairs(lanes_of_endpoint(ep)) do remove_from_lane(lane, id) end
end
return #ids
