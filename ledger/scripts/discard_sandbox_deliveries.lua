-- Discards an endpoint's unsettled deliveries of payments of test channels, which its merchant does not include any more; also those that
-- are being sent: their worker finds that the fencing token is gone. Bounded work.
-- ARGV: merchant, endpoint, cursor ("0" at first)
-- Returns: the cursor to go on with, "" at the end
-- uses: chains events lanes reasons replays requested
local MOST = 200
local m, ep, cursor_before = take(), take(), take()
if redis.call("HGET", k("merchant", m), "include_sandbox") == "1" then return "" end
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), cursor_before, "COUNT", MOST))
local live, lanes, done = "deliver/" .. ep, lanes_of_endpoint(ep), {}

local function discard(id, chain)
  local event, rpl = unpack(redis.call("HMGET", k("dlv", id), "event", "replay_id"))
  if done[id] or not event or not is_hidden(event, m) then return 0 end
  done[id] = true
  end_delivery(id, ep, "pending", "discarded", because("test_channel_left_out"))
  redis.call("HDEL", k("dlv", id), "requested")
  redis.call("ZREM", chain, id)
  for _, lane in ipairs(lanes) do
    remove_from_lane(lane, id)
    drop_requests(lane, {id})
  end
  if rpl then count_replayed(id, rpl, "failed") end
  return 1
end

-- From the last one on: where the work breaks off after a step, the first of the chain is still in the lane. Returns: how many
local function discard_chain(chain)
  local first, n = redis.call("ZRANGE", chain, 0, 0)[1], 0
  for _, id in ipairs(redis.call("ZREVRANGE", chain, 0, MOST - 1)) do n = n + discard(id, chain) end
  local following = redis.call("ZRANGE", chain, 0, 0)[1]
  if following and following ~= first then touch(live, following, now()) end
  return n
end

local n, is_end = 0, cursor == "0"
for i = 1, #rows, 2 do
  if n >= MOST then
    cursor, is_end = cursor_before, false  -- the rest of these in another step
    break
  end
  local chain = chain_of(ep, m, redis.call("HGET", k("dlv", rows[i]), "imp_uid") or "")
  if redis.call("ZSCORE", chain, rows[i]) then n = n + discard_chain(chain) else n = n + discard(rows[i], chain) end
end
index_lanes(lanes)
return is_end and "" or cursor
