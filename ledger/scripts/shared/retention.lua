-- What is removed together with an event or a notification.

-- Whether an event has a delivery that is not settled.
local function has_pending_delivery(event)
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    if redis.call("HGET", k("dlv", event .. "." .. ep), "state") == "pending" then return true end
  end
  return false
end

-- Removes an event with its deliveries and their attempts.
local function remove_event(event)
  local row = redis.call("HMGET", k("evt", event), "merchant", "type")
  for _, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    local id = event .. "." .. ep
    local state = redis.call("HGET", k("dlv", id), "state")
    redis.call("DEL", k("dlv", id), k("att", id))
    redis.call("ZREM", k("dlvs"), id)
    redis.call("ZREM", k("dlvs", "e", ep), id)
    if state then redis.call("ZREM", k("dlvs", "s", ep .. "/" .. state), id) end
  end
  redis.call("DEL", k("evt", event), k("dlvs", "v", event))
  redis.call("ZREM", k("evts"), event)
  if row[1] then redis.call("ZREM", k("evts", "m", row[1]), event) end
  if row[2] then redis.call("ZREM", k("evts", "t", row[2]), event) end
end

-- Removes a notification that is settled.
local function remove_notification(id)
  local row = redis.call("HMGET", k("ntf", id), "merchant", "imp_uid", "outcome")
  if not row[1] then return end
  redis.call("DEL", k("ntf", id))
  redis.call("ZREM", k("ntfs"), id)
  redis.call("ZREM", k("ntfs", "m", row[1]), id)
  redis.call("ZREM", k("ntfs", "p", row[1] .. "/" .. row[2]), id)
  redis.call("ZREM", k("ntfs", "o", row[3]), id)
end
