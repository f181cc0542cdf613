-- Stops a replay and takes out the deliveries that it has queued and no worker is sending. A delivery that existed before gets its old
-- state back. One that the replay made is discarded, or dead if attempts have failed. One that is being sent is left alone: if it fails,
-- it is not tried again.
-- ARGV: replay, most, lane of its job (if this request breaks off, the job's next step goes on)
-- Returns: {state, how many were considered}; {"unknown", 0} if there is no such replay
-- uses: deliveries lanes outbox reasons
local GOES_ON_IN = 1000
local rpl, most, job_lane = take(), take(), take()
local replay = k("replay", rpl)
local state = redis.call("HGET", replay, "state")
if not state then return {"unknown", 0} end
if state == "running" then
  state = "stopped"
  redis.call("HSET", replay, "state", state, "ended_at", int(now()))
  mark_changed("replay", rpl)
  touch(job_lane, rpl, now() + GOES_ON_IN)
  index_lane(job_lane)
end
if state ~= "stopped" then return {state, 0} end

local function take_out(d)
  local before, reason, attempts = d.state_before, d.reason_before, tonumber(d.attempts)
  if not before or (before == "discarded" and attempts > 0) then
    before = attempts > 0 and "dead" or "discarded"
    reason = because(before == "dead" and "replay_stopped" or "replay_stopped_unsent")
  end
  end_delivery(d, before, reason)
  d.replay, d.replay_id, d.state_before, d.reason_before = "0", nil, nil, nil
  save(d)
  redis.call("HINCRBY", replay, "queued", -1)
  mark_changed("replay", rpl)
end

local ids = redis.call("SPOP", k("replaying", rpl), most)
local lanes = {}
find_deliveries(ids)
for _, id in ipairs(ids) do
  local d = delivery(id)
  if d and redis.call("ZREM", k("due", "replay/" .. d.ep), id) == 1 then
    take_out(d)
    lanes["replay/" .. d.ep] = true
  end
end
for lane in pairs(lanes) do index_lane(lane) end
return {state, #ids}
