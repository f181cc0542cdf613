-- Reads events of a list, in its order, with all that belongs to them, as it is stored: what is written to history again, or without its
-- buyer. As many as have about so many bytes together, one at least.
-- Events that show the same object come together, however large it is.
-- ARGV: list (key without the prefix), their payment ("merchant/imp_uid", or "" for events of none), behind which place, most events,
--       most bytes
-- Returns: {revision, place of the last (or "" where none follows), per event {id, place of its object or 0, its fields, deliveries {id, fields,
--          attempts}}, objects}
-- uses: outbox snapshots
local list_key, p, after, most, most_bytes = take(), take(), take(), take_number(), take_number()
local bytes = 0

local function counted(texts)
  for _, text in ipairs(texts) do bytes = bytes + #text end
  return texts
end

local function whole_event(event)
  local deliveries = {}
  for i, ep in ipairs(redis.call("SMEMBERS", k("dlvs", "v", event))) do
    local id = event .. "." .. ep
    deliveries[i] = {id, counted(redis.call("HGETALL", k("dlv", id))), counted(redis.call("LRANGE", k("att", id), 0, -1))}
  end
  local fields = counted(redis.call("HGETALL", k("evt", event)))
  return {event, object_of(p, redis.call("HGET", k("evt", event), "snap") or nil) or 0, fields, deliveries}
end

local found = redis.call("ZRANGEBYSCORE", k(list_key), "(" .. after, "+inf", "WITHSCORES", "LIMIT", 0, most)
local events, last = {}, ""
for i = 1, #found, 2 do
  local is_object_read = object_at[p .. "#" .. (redis.call("HGET", k("evt", found[i]), "snap") or "")]
  if #events > 0 and (bytes > most_bytes or objects_size > most_bytes and not is_object_read) then break end
  events[#events + 1] = whole_event(found[i])
  last = found[i + 1]
end
local is_end = #found < 2 * most and 2 * #events == #found
return {int(revision()), is_end and "" or last, events, objects}
