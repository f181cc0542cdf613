-- Claims of deliveries: which of those that are due go out now, by what their endpoint allows.
-- uses: deliveries lanes leases reasons replays requested rows snapshots

-- About how many bytes of bodies and objects one script reads. Large ones take several claims, so that Redis serves others in between.
local MOST_BYTES_CLAIMED = 4194304
-- For how many ms a replay yields to live deliveries that are due.
local MAKE_WAY = 200

-- Gives up a delivery (nil: it is gone) that has nothing left to send; the delivery that waits for it becomes due in one of `lanes`.
local function drop_delivery(lanes, lane, id, d)
  if d then
    end_delivery(d, "dead", because("event_removed"))
    save_all({d, advance(lanes, d, true)})
    if d.replay_id then count_replayed(d, "failed") end
  end
  redis.call("ZREM", k("due", lane), id)
end

-- Reads a delivery, its event and the place of the event's object by one command. Returns: these, nil for each that does not exist
local function read_delivery(id)
  local event = parts_of(id)
  local row = row_of(event)
  local texts = redis.call("HMGET", row.key, "d:" .. id, "e:" .. event, "o:" .. (row.snap or ""))
  local e = load_event(event, texts[2])
  return load_delivery(id, texts[1]), e, e and object_of(row.p, row.snap, texts[3])
end

-- Leases deliveries, and adds them to what the claim `c` returns; or gives them up. Returns: those that it has handled; the others wait
-- for the next claim
local bodies_size = 0
local function take_up(c, ids)
  local taken, handled = {}, {}
  find_deliveries(ids)
  for _, id in ipairs(ids) do
    local d, e, object = read_delivery(id)
    handled[#handled + 1] = id
    if d and object then
      taken[#taken + 1] = id
      c.rows[#c.rows + 1] = {id, d.event, d.attempts, d.replay or "0", d.imp, d.type, e.body, object, e.webhook_at or "", e.trace or ""}
      bodies_size = bodies_size + #e.body
      if bodies_size + objects_size > MOST_BYTES_CLAIMED then break end
    else
      drop_delivery(c.lanes, c.lane, id, d)
    end
  end
  lease(c.lane, taken, c.token, c.lease_ms)
  return handled
end

-- Deliveries that operators requested are sent even if the lane is paused; a disabled endpoint gets only tests.
local function take_requested(c, limit)
  local going, staying, lane = {}, {}, c.lane
  for _, id in ipairs(redis.call("ZRANGE", k("requested", lane), 0, limit - 1)) do
    local d = delivery(id)
    if (c.is_enabled or d and d.requested == "test") and due_at(lane, id) then
      going[#going + 1] = id
    else
      staying[#staying + 1] = id
      -- A delivery that is being sent keeps the mark that it was requested.
      if d and d.requested and not is_leased(lane, id) then
        d.requested = nil
        save(d)
      end
    end
  end
  drop_requests(lane, staying)
  drop_requests(lane, take_up(c, going))
end

-- How many deliveries a rate (a second) allows now, of which `left` were left at a time (ms). At most one, plus what the rate adds until
-- the next sweep: so hardly any second sees more than the rate allows.
local function tokens_of_rate(rate, left, at)
  local most = 1 + rate * SWEEP_MS / 1000
  return math.min(most, tonumber(left or most) + (now() - tonumber(at or now())) * rate / 1000)
end

-- Takes up what is due, within the endpoint's capacity and rate. The breaker, Retry-After and the rate belong to the endpoint, and apply
-- to both its lanes. Returns: how many are leased in both lanes
local function take_due(c, endpoint, limit, first_places)
  local lane, live, replay = c.lane, unpack(lanes_of_endpoint(c.ep))
  local not_before, probe_capacity, tokens_left, tokens_at, probe_until =
    unpack(redis.call("HMGET", k("lane", live), "not_before", "probe_capacity", "tokens", "tokens_at", "probe_until"))
  -- An endpoint's places are a JSON list that begins with their count (schemas.endpoints.places).
  local places = tonumber(string.match(endpoint["places"] or "", "[%d.]+")) or first_places
  local capacity = tonumber(probe_capacity) or math.min(math.floor(places), tonumber(endpoint["max_in_flight"]))
  -- A replay leaves capacity for one live delivery.
  local is_replay = lane == replay
  if is_replay and capacity > 1 then capacity = capacity - 1 end
  redis.call("HSET", k("lane", lane), "capacity", capacity)
  local in_flight = redis.call("ZCARD", k("leased", live)) + redis.call("ZCARD", k("leased", replay))
  local wanted = math.min(limit, capacity - in_flight)
  local wait_until = tonumber(not_before or 0)
  probe_until = tonumber(probe_until or 0)
  if math.max(wait_until, probe_until) > now() then wanted = 0 end
  if is_replay then
    wait_until = math.max(wait_until, probe_until)
    local first = first_due(live)
    if first and first <= now() and wanted > 0 then
      wanted = 0
      wait_until = math.max(wait_until, now() + MAKE_WAY)
    end
  end
  local rate = tonumber(endpoint["rate_limit"])
  local tokens = rate and wanted > 0 and tokens_of_rate(rate, tokens_left, tokens_at)
  if tokens then wanted = math.min(wanted, math.floor(tokens)) end

  local requested = #c.rows
  if wanted > 0 then
    take_up(c, redis.call("ZRANGEBYSCORE", k("due", lane), "-inf", int(now()), "LIMIT", 0, wanted))
    -- Nothing else is sent until the outcome of a probe is recorded (note_health.lua) or its lease ends.
    if probe_capacity and #c.rows > requested then
      redis.call("HSET", k("lane", live), "probe_until", int(now() + c.lease_ms))
    end
  end
  if tokens then
    tokens = tokens - (#c.rows - requested)
    redis.call("HSET", k("lane", live), "tokens", tostring(tokens), "tokens_at", int(now()))
    if tokens < 1 then
      wait_until = now() + math.ceil((1 - tokens) * 1000 / rate)
      redis.call("HSET", k("lane", live), "rate_until", int(wait_until))
    end
  end
  set_not_before(lane, wait_until)
  return in_flight + #c.rows
end

-- Leases deliveries of a lane that are due, as many as the endpoint's limits allow, and adds to `lanes` those that changed. The caller
-- announces them.
-- Returns: {lane, token, fields of endpoint:ep, per delivery {id, event, attempts, replay, imp_uid, type, body, place of i'mport's object
--          among `objects` or 0, when its webhook came (ms, or ""), traceparent of its event (or "")}, how many are leased in both lanes of
--          the endpoint now}
local function claim_deliveries(lanes, lane, limit, lease_ms, first_places)
  local token, may_claim = begin_claim(lane)
  if not may_claim then return {lane, int(token), {}, {}, 0} end
  lanes[lane] = true
  local ep = name_of(lane)
  local fields = redis.call("HGETALL", k("endpoint", ep))
  local endpoint = table_of(fields)
  local c = {lanes = lanes, lane = lane, ep = ep, token = token, lease_ms = lease_ms, rows = {},
    is_enabled = endpoint["state"] == "enabled"}
  if redis.call("HEXISTS", k("lane", lane), "requested_at") == 1 then take_requested(c, limit) end
  local leased = #c.rows
  if c.is_enabled then
    redis.call("HDEL", k("lane", lane), "closed")
    for _, one in ipairs(lanes_of_endpoint(ep)) do reclaim(one, lease_ms) end
    leased = take_due(c, endpoint, limit, first_places)
  else
    close_lanes({lane})
  end
  return {lane, int(token), fields, c.rows, leased}
end
