-- Has a delivery attempted now, whatever its lane waits for. ARGV: delivery id
-- Answer: {"unknown" | "deleted" | "held" (its endpoint is disabled) | "hidden" (its payment is of a
--         test channel, which its merchant does not include) | "waits" (for an earlier one) | "due", lane to kick or ""}
-- uses: events lanes reasons
local id = ARGV[1]
local ep, state, m, imp, event =
  unpack(redis.call("HMGET", k("dlv", id), "endpoint", "state", "merchant", "imp_uid", "event"))
if not ep then return {"unknown", ""} end
local endpoint = redis.call("HGET", k("endpoint", ep), "state")
if not endpoint or endpoint == "deleted" then return {"deleted", ""} end
if endpoint ~= "enabled" then return {"held", ""} end
if redis.call("EXISTS", k("evt", event)) == 0 then return {"unknown", ""} end
if imp ~= "" and is_hidden(event, m) then return {"hidden", ""} end

local live, replay = "deliver/" .. ep, "replay/" .. ep
local function is_leased(lane) return redis.call("HEXISTS", k("tokens", lane), id) == 1 end
if state == "pending" then
  -- One that is being sent is not sent twice because somebody is impatient.
  if is_leased(live) or is_leased(replay) then return {"due", ""} end
  local first = redis.call("ZRANGE", k("chain", ep .. "/" .. m .. "/" .. imp), 0, 0)[1]
  local in_chain = redis.call("ZSCORE", k("chain", ep .. "/" .. m .. "/" .. imp), id)
  if in_chain and first ~= id then return {"waits", first} end
  redis.call("ZREM", k("due", replay), id)
  index_lane(replay)
else
  set_state(id, ep, state, "pending")
end
redis.call("HSET", k("dlv", id), "next_at", int(now()), "reason", because("retry_requested"), "asked", "1")
touch(live, id, now())
ask_for(live, id)
return {"due", kick(live, index_lane(live)) and live or ""}
