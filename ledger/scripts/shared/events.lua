-- Events, and a delivery for each endpoint that subscribes to one.
-- uses: deliveries lanes outbox rows

-- Whether a subscription ("ordered filter filter …") has one of the filters that cover an event ("filter filter …").
local function subscribes(subscription, filters)
  for filter in string.gmatch(filters, "%S+") do
    if string.find(subscription .. " ", " " .. filter .. " ", 1, true) then return true end
  end
  return false
end

-- Whether an event's payment does not exist for its merchant: it is of a test channel, and the merchant does not include these (any more).
local function is_hidden(e)
  return e.sandbox == "1" and redis.call("HGET", k("merchant", e.row.m or e.of), "include_sandbox") ~= "1"
end

-- A delivery of an event (id, type, sequence) to an endpoint, not yet in any lane. The caller saves it.
local function new_delivery(e, ep, replay)
  local at = this_moment()
  return known_delivery(e.id .. "." .. ep, {type = e.type, sequence = e.sequence, state = "pending", attempts = "0", next_at = at,
    created_at = at, replay = replay, of = e.of})
end

-- The latest unsettled delivery of a payment to an ordered endpoint, which the next one waits for; nil if there is none. The row has a
-- field for it only from the second delivery on, because most payments have just one.
local function latest_delivery(p, ep)
  local event = redis.call("HGET", k("pay", p), "t:" .. ep)
  if event then
    local d = delivery(event .. "." .. ep)
    return holds_back(d) and d or nil
  end
  local latest
  for _, id in ipairs(names_in(k("pay", p), "d:")) do
    if string.sub(id, -#ep - 1) == "." .. ep then
      local d = delivery(id)
      if holds_back(d) and (not latest or tonumber(d.sequence) > tonumber(latest.sequence)) then latest = d end
    end
  end
  return latest
end

-- Puts an event among the fields with which its row is written: id, type, sequence, silent, sandbox, about, body, entry (for history),
-- `of` (its merchant, if it belongs to no payment).
local function put_event(e, fields)
  e.recorded_at = this_moment()
  fields[#fields + 1] = "e:" .. e.id
  fields[#fields + 1] = packed(EVENT, e)
end

-- Appends an event of a merchant to the outbox.
local function append_event(e, m)
  append_entry(e.entry, {merchant = m, recorded_at = now(), silent = e.silent == "1"})
end

-- Records an event that belongs to no payment, with its deliveries to these endpoints. They go into their lanes, which are added to
-- `lanes`, before the row is written: a claim drops a delivery that it does not find.
local function record_event(lanes, e, endpoints)
  local fields, made = {}, {}
  put_event(e, fields)
  for i, ep in ipairs(endpoints) do
    made[i] = new_delivery(e, ep, "0")
    put_delivery(made[i], fields)
    touch("deliver/" .. ep, made[i].id, now())
    lanes["deliver/" .. ep] = true
  end
  with_all("HSET", k("evt", e.id), fields)
  append_event(e, e.of)
  list(k("evts", "t", e.type), e.id, e.recorded_at)
  for _, d in ipairs(made) do
    relist(d)
    mark_changed("delivery", d.id)
  end
end

-- The endpoints that an event is delivered to, unless it is silent: those of `subscriptions` (endpoint, subscription, …) that subscribe
-- to one of its `filters`, but not the one that it is about. Returns: these, and a set of those that are ordered
local function subscribers(e, subscriptions)
  local found, ordered = {}, {}
  for i = 1, e.silent ~= "1" and #subscriptions or 0, 2 do
    local ep, subscription = subscriptions[i], subscriptions[i + 1]
    if ep ~= e.about and subscribes(subscription, e.filters) then
      found[#found + 1] = ep
      ordered[ep] = string.sub(subscription, 1, 1) == "1"
    end
  end
  return found, ordered
end
