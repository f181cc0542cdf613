-- A replay counts what becomes of the deliveries that it has queued.
-- uses: deliveries outbox

-- A replay is done when it has walked past its last event and none of its deliveries is unsettled.
local function end_replay(rpl)
  local state, walked = unpack(redis.call("HMGET", k("replay", rpl), "state", "walked"))
  if state == "running" and walked == "1" and redis.call("SCARD", k("replaying", rpl)) == 0 then
    redis.call("HSET", k("replay", rpl), "state", "done", "ended_at", int(now()))
    mark_changed("replay", rpl)
  end
end

-- When a delivery that a replay had queued is settled, the replay counts it as "delivered" or "failed". The delivery is written first, so
-- that it is counted only once.
local function count_replayed(d, what)
  local rpl = d.replay_id
  d.replay_id, d.state_before, d.reason_before, d.replay = nil, nil, nil, "0"
  save(d)
  redis.call("SREM", k("replaying", rpl), d.id)
  if redis.call("EXISTS", k("replay", rpl)) == 1 then
    redis.call("HINCRBY", k("replay", rpl), what, 1)
    mark_changed("replay", rpl)
    end_replay(rpl)
  end
end
