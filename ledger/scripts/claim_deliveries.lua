-- Leases deliveries that are due, as many as the endpoint's limits leave room for.
-- ARGV: lane, limit, lease (ms)
-- Answer: {token, lanes to kick, fields of endpoint:ep, per delivery {id, event, attempts, replay, imp_uid, type, body, place of
--          i'mport's object or 0}, objects}
-- uses: events lanes reasons replays snapshots

local SWEPT_EVERY = 0.25
-- Bytes of bodies and objects that one claim reads, about: large ones come in several claims, so that nobody waits for them.
local MOST_BYTES = 4194304

local lane, limit = ARGV[1], tonumber(ARGV[2])
local kind, ep = string.match(lane, "^(%a+)/(.*)$")
local live = "deliver/" .. ep
local token = redis.call("INCR", k("seq"))  -- first, because Redis may refuse it when it is full: then nothing has happened
if crowded(lane) then return {int(token), {}, {}, {}, {}} end
redis.call("DEL", k("kicked", lane))
local fields = redis.call("HGETALL", k("endpoint", ep))
local endpoint = {}
for i = 1, #fields, 2 do endpoint[fields[i]] = fields[i + 1] end
local enabled = endpoint["state"] == "enabled"

-- Nothing is left to send: the delivery is over, and what waits for it goes.
local lanes = {[lane] = true}
local function give_up(id)
  local state, m, imp, rpl, created =
    unpack(redis.call("HMGET", k("dlv", id), "state", "merchant", "imp_uid", "replay_id", "created_at"))
  if state then
    redis.call("HSET", k("dlv", id), "state", "dead", "next_at", "", "reason", because("event_removed"))
    relist(id, ep, state, "dead", created)
    advance(lanes, id, ep, m .. "/" .. imp, true)
    if rpl then count_replayed(id, rpl, "failed") end
  end
  redis.call("ZREM", k("due", lane), id)
end

-- Answer: those that are leased now, or over; the others wait for the next claim
local rows, bodies_size = {}, 0
local function take_up(ids)
  local taken, handled = {}, {}
  for _, id in ipairs(ids) do
    local event, attempts, replay, imp, type_ =
      unpack(redis.call("HMGET", k("dlv", id), "event", "attempts", "replay", "imp_uid", "type"))
    local body, snap, m
    if event then body, snap, m = unpack(redis.call("HMGET", k("evt", event), "body", "snap", "merchant")) end
    local object = body and object_of(m .. "/" .. imp, snap)
    handled[#handled + 1] = id
    if object then
      taken[#taken + 1] = id
      rows[#rows + 1] = {id, event, attempts, replay, imp, type_, body, object}
      bodies_size = bodies_size + #body
      if bodies_size + objects_size > MOST_BYTES then break end
    else
      give_up(id)
    end
  end
  lease(lane, taken, token, tonumber(ARGV[3]))
  return handled
end

-- What operators ask for goes whatever the lane waits for; a disabled endpoint gets tests only.
if redis.call("HEXISTS", k("lane", lane), "asked") == 1 then
  local asked, going, staying = redis.call("ZRANGE", k("asked", lane), 0, limit - 1), {}, {}
  for _, id in ipairs(asked) do
    local goes = enabled or redis.call("HGET", k("dlv", id), "type") == "relay.test"
    if goes and redis.call("ZSCORE", k("due", lane), id) then
      going[#going + 1] = id
    else
      staying[#staying + 1] = id
      -- One that is being sent was asked for all the same.
      if not redis.call("HGET", k("tokens", lane), id) then redis.call("HDEL", k("dlv", id), "asked") end
    end
  end
  forget_asked(lane, staying)
  forget_asked(lane, take_up(going))
end

if not enabled then
  redis.call("HSET", k("lane", lane), "closed", "1")
  for name in pairs(lanes) do index_lane(name) end
  return {int(token), {}, fields, rows, objects}
end
redis.call("HDEL", k("lane", lane), "closed")
local row = cjson.decode(endpoint["row"])
reclaim(live, ARGV[3])
reclaim("replay/" .. ep, ARGV[3])

-- The breaker, Retry-After and the rate are the endpoint's; both its lanes keep to them.
local limits = redis.call("HMGET", k("lane", live), "not_before", "probe", "tokens", "tokens_at", "probe_until")
local room = limits[2] and 1 or row["max_in_flight"]
-- A replay leaves a place for what happens now.
if kind == "replay" and room > 1 then room = room - 1 end
redis.call("HSET", k("lane", lane), "room", room)
local in_flight = redis.call("ZCARD", k("leased", live)) + redis.call("ZCARD", k("leased", "replay/" .. ep))
local take = math.min(limit, room - in_flight)
local wait_until, probe_until = tonumber(limits[1] or 0), tonumber(limits[5] or 0)
if math.max(wait_until, probe_until) > now() then take = 0 end
if kind == "replay" then
  wait_until = math.max(wait_until, probe_until)
  local waiting = score(redis.call("ZRANGE", k("due", live), 0, 0, "WITHSCORES"))
  if waiting and waiting <= now() and take > 0 then
    take = 0
    wait_until = math.max(wait_until, now() + 200)
  end
end
local rate, tokens = row["rate_limit"], nil
if rate and rate ~= cjson.null and take > 0 then
  -- One, and what comes in until the sweep looks again: a second's rate is hardly ever more than that.
  local most = 1 + rate * SWEPT_EVERY
  tokens = math.min(most, tonumber(limits[3] or most) + (now() - tonumber(limits[4] or now())) * rate / 1000)
  take = math.min(take, math.floor(tokens))
end

local asked = #rows
if take > 0 then
  take_up(redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, take))
  -- A probe: nobody else goes before its outcome is noted (note_health.lua) or its lease ends.
  if limits[2] and #rows > asked then
    probe_until = now() + tonumber(ARGV[3])
    redis.call("HSET", k("lane", live), "probe_until", int(probe_until))
  end
end
if tokens then
  tokens = tokens - (#rows - asked)
  redis.call("HSET", k("lane", live), "tokens", tostring(tokens), "tokens_at", int(now()))
  if tokens < 1 then
    wait_until = now() + math.ceil((1 - tokens) * 1000 / rate)
    redis.call("HSET", k("lane", live), "rate_until", int(wait_until))
  end
end
if wait_until > now() then
  redis.call("HSET", k("lane", lane), "not_before", int(wait_until))
else
  redis.call("HDEL", k("lane", lane), "not_before")
end
return {int(token), announce(lanes), fields, rows, objects}
