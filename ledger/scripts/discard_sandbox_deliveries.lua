-- Discards an endpoint's unsettled deliveries for payments of test channels, which its merchant no longer includes. If one is being sent,
-- its worker finds that the fencing token is gone. Bounded work.
-- ARGV: merchant, endpoint, cursor ("0" at first)
-- Returns: cursor to go on with, "" at the end
-- uses: deliveries events lanes reasons replays requested rows
local MOST = 200
local m, ep, cursor_before = take(), take(), take()
if redis.call("HGET", k("merchant", m), "include_sandbox") == "1" then return "" end
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), cursor_before, "COUNT", MOST))
local lanes = lanes_of_endpoint(ep)

local function discard(d)
  end_delivery(d, "discarded", because("test_channel_left_out"))
  d.requested = nil
  save_all({d, advance({}, d)})
  for _, lane in ipairs(lanes) do
    remove_from_lane(lane, d.id)
    drop_requests(lane, {d.id})
  end
  if d.replay_id then count_replayed(d, "failed") end
end

for i = 1, #rows, 2 do
  local d = delivery(rows[i])
  local e = d and d.state == "pending" and event_of(d.event)
  if e and is_hidden(e) then discard(d) end
end
index_lanes(lanes)
return cursor == "0" and "" or cursor
