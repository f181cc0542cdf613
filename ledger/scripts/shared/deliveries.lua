-- Deliveries, each packed in the row of its event. A script reads one once, changes it in Lua and writes it back.
-- uses: lanes outbox reasons rows

-- `log`: the latest attempts (JSON). `of`: the merchant, if the event belongs to no payment. At an ordered endpoint, a payment's deliveries
-- form a chain: a delivery that `waits_for` another is in no lane until that one is over, and that one is `followed_by` it.
local DELIVERY = {"log", "type", "sequence", "state", "created_at", "attempts", "made", "next_at", "reason", "replay", "sent_after",
  "waits_for", "followed_by", "replay_id", "state_before", "reason_before", "requested", "of"}
-- Pending and dead deliveries are listed, so that they can be counted.
local IS_LISTED = {pending = true, dead = true}

local deliveries = {}

-- The event and the endpoint in a delivery's id; nil for any other text.
local function parts_of(id)
  return string.match(id, "^([^.]+)%.(.+)$")
end

-- A delivery that this script changes: id, event, ep, its row's key, p, m, imp, and the fields of DELIVERY.
local function known_delivery(id, fields)
  local d, event, ep = fields, parts_of(id)
  local row = row_of(event)
  d.id, d.event, d.ep, d.key, d.p, d.m, d.imp = id, event, ep, row.key, row.p, row.m or fields.of, row.imp
  d.log = d.log or {}
  deliveries[id] = d
  return d
end

-- A delivery, unpacked from its field of the row; nil if there is no such field.
local function load_delivery(id, text)
  if not text then
    deliveries[id] = false
    return nil
  end
  local d = known_delivery(id, unpack_into({}, DELIVERY, text))
  d.was = d.state
  return d
end

-- The delivery of this id; nil if there is none.
local function delivery(id)
  local known = deliveries[id]
  if known ~= nil then return known or nil end
  local event = parts_of(id)
  return event and load_delivery(id, redis.call("HGET", row_of(event).key, "d:" .. id)) or nil
end

-- Reads the rows of many deliveries' events by one command.
local function find_deliveries(ids)
  local events = {}
  for i, id in ipairs(ids) do events[i] = parts_of(id) or "" end
  find_rows(events)
end

-- Puts a delivery among the fields (field, value, …) with which its row is written.
local function put_delivery(d, fields)
  fields[#fields + 1] = "d:" .. d.id
  fields[#fields + 1] = packed(DELIVERY, d)
end

-- Lists a delivery that was written by its state.
local function relist(d)
  if d.was == d.state then return end
  if IS_LISTED[d.was] then list(k("dlvs", "s", d.ep .. "/" .. d.was), d.id, nil) end
  if IS_LISTED[d.state] then list(k("dlvs", "s", d.ep .. "/" .. d.state), d.id, d.created_at) end
  d.was = d.state
end

-- Writes deliveries, those of one row by one command.
local function save_all(some)
  local of_row = {}
  for _, d in ipairs(some) do
    of_row[d.key] = of_row[d.key] or {}
    of_row[d.key][d.id] = d
  end
  for key, ones in pairs(of_row) do
    local fields = {}
    for _, d in pairs(ones) do put_delivery(d, fields) end
    with_all("HSET", key, fields)
    for id, d in pairs(ones) do
      relist(d)
      mark_changed("delivery", id)
    end
  end
end

local function save(d)
  save_all({d})
end

-- Writes a delivery without appending it to the outbox: history has it already.
local function rewrite(d)
  local fields = {}
  put_delivery(d, fields)
  redis.call("HSET", d.key, unpack(fields))
end

-- Ends a delivery for a reason. The caller saves it.
local function end_delivery(d, state, reason)
  d.state, d.next_at, d.reason = state, nil, reason
end

-- Whether a delivery holds back those that follow it. A delivery that a replay sends again does not.
local function holds_back(d)
  return d and d.state == "pending" and not d.replay_id
end

-- Call this when a delivery is over. It puts the next delivery of the chain that is not over into the lane, and adds that to `lanes`. If
-- this one has died, the reason of the next one says so. Returns: the next one, for the caller to save, or nil
local function advance(lanes, d, died)
  if d.waits_for then return nil end  -- when the delivery that this one waits for is over, the chain goes on from there
  local following = d
  repeat
    following = following.followed_by and delivery(following.followed_by)
  until not following or holds_back(following)
  if not following or not following.waits_for then return nil end
  touch("deliver/" .. d.ep, following.id, now())  -- first: if Redis then refuses to save it, this is done again
  lanes["deliver/" .. d.ep] = true
  following.waits_for, following.next_at = nil, int(now())
  if died then following.sent_after = d.id end
  return following
end

-- The id of the delivery that holds this one back: the first of the chain that is not over. nil if none does
local function predecessor(d)
  local first = nil
  local before = d.waits_for and delivery(d.waits_for)
  while before do
    if holds_back(before) then first = before end
    before = before.waits_for and delivery(before.waits_for)
  end
  return first and first.id
end

-- The fields of a delivery: name, value, …
local function fields_of_delivery(d)
  return listed_fields(DELIVERY, d, {"event", d.event, "endpoint", d.ep, "merchant", d.m, "imp_uid", d.imp})
end

-- outbox.lua calls this to append a delivery as it is now.
function describe.delivery(id)
  local d = deliveries[id]
  -- Its payment has changed, too (see remove_payments.lua).
  if d.p then list(k("ageing"), d.p, this_moment()) end
  append_entry_of("delivery", {event = d.event, endpoint = d.ep, merchant = d.m, imp_uid = d.imp, type = d.type,
    sequence = number_in(d.sequence), state = d.state, created_at = number_in(d.created_at), changed_at = now(),
    next_attempt_at = d.state == "pending" and number_in(d.next_at) or nil,
    reason = d.reason or d.sent_after and because("sent_after_dead", {delivery = d.sent_after}), attempts = number_in(d.attempts),
    replay = d.replay_id, revision = revision()})
end
