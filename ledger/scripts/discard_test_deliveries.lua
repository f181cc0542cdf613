-- Discards what an endpoint still had to get of payments of test channels, as its merchant does not include these any more.
-- One that is being sent is discarded too: its result finds its fencing token gone. Bounded work.
-- ARGV: merchant, endpoint, cursor ("0" at first). Answer: the cursor to go on with, "" at the end
-- uses: events lanes reasons replays
local m, ep = ARGV[1], ARGV[2]
local MOST = 200
if redis.call("HGET", k("merchant", m), "include_sandbox") == "1" then return "" end
local cursor, rows = unpack(redis.call("ZSCAN", k("dlvs", "s", ep .. "/pending"), ARGV[3], "COUNT", MOST))
local live, lanes, done = "deliver/" .. ep, {"deliver/" .. ep, "replay/" .. ep}, {}

local function discard(id, chain)
  local event, imp, rpl = unpack(redis.call("HMGET", k("dlv", id), "event", "imp_uid", "replay_id"))
  if done[id] or not event or imp == "" or not is_hidden(event, m) then return 0 end
  done[id] = true
  set_state(id, ep, "pending", "discarded")
  redis.call("HSET", k("dlv", id), "reason", because("test_channel_left_out"), "next_at", "")
  redis.call("HDEL", k("dlv", id), "asked")
  redis.call("ZREM", chain, id)
  for _, lane in ipairs(lanes) do
    for _, set in ipairs({"due", "leased", "touched"}) do redis.call("ZREM", k(set, lane), id) end
    redis.call("HDEL", k("tokens", lane), id)
    forget_asked(lane, {id})
  end
  if rpl then count_replayed(id, rpl, "failed") end
  return 1
end

-- From the last one on: where the work breaks off after a step, the first of the chain is still in the lane. Answer: how many
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
    cursor, is_end = ARGV[3], false  -- the rest of these in another step
    break
  end
  local chain = k("chain", ep .. "/" .. m .. "/" .. (redis.call("HGET", k("dlv", rows[i]), "imp_uid") or ""))
  if redis.call("ZSCORE", chain, rows[i]) then n = n + discard_chain(chain) else n = n + discard(rows[i], chain) end
end
for _, lane in ipairs(lanes) do index_lane(lane) end
return is_end and "" or cursor
