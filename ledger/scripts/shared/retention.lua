-- What is removed together with an event or a notification.
-- uses: lists

-- Whether an event has a delivery that is not settled.
local function has_pending_delivery(event)
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    if redis.call("HGET", k("dlv", event .. "." .. ep), "state") == "pending" then return true end
  end
  return false
end

-- Removes an event with its deliveries and their attempts.
local function remove_event(event)
  local imp, type_ = unpack(redis.call("HMGET", k("evt", event), "imp_uid", "type"))
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    local id = event .. "." .. ep
    local state = redis.call("HGET", k("dlv", id), "state")
    redis.call("DEL", k("dlv", id), k("att", id))
    if IS_LISTED[state] then redis.call("ZREM", k("dlvs", "s", ep .. "/" .. state), id) end
  end
  redis.call("DEL", k("evt", event), k("dlvs", "v", event))
  if imp == "" then redis.call("ZREM", k("evts", "t", type_), event) end
end

-- Removes a notification that is settled.
local function remove_notification(id)
  local m, imp, outcome = unpack(redis.call("HMGET", k("ntf", id), "merchant", "imp_uid", "outcome"))
  if not m then return end
  redis.call("DEL", k("ntf", id))
  redis.call("ZREM", k("ntfs", "p", m .. "/" .. imp), id)
  if outcome == "rejected" then redis.call("ZREM", k("ntfs", "o", outcome), id) end
end
