-- What is removed together with an event.
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
