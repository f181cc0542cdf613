-- What belongs to an event, as it is stored: what is written to history again.
-- uses: snapshots

-- Returns: {id, place of its object or 0, its fields, deliveries {id, fields, attempts}}
local function whole_event(event, p)
  local deliveries = {}
  for i, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    local id = event .. "." .. ep
    deliveries[i] = {id, redis.call("HGETALL", k("dlv", id)), redis.call("LRANGE", k("att", id), 0, -1)}
  end
  local fields = redis.call("HGETALL", k("evt", event))
  return {event, object_of(p, redis.call("HGET", k("evt", event), "snap") or nil) or 0, fields, deliveries}
end
