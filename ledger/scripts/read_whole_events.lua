-- Reads events in their order, as they are stored, with all that belongs to them, so that they can be written again: to history, or without
-- their buyer. Reads as many as have about so many bytes together, but at least one. Events that show the same object come together,
-- however large it is.
-- ARGV: their payment ("merchant/imp_uid", or "" for events of none), their type (of events of none), behind which place, most events,
--       most bytes
-- Returns: {revision, place of the last (or "" if none follows), per event {id, place of its object or 0, its fields, deliveries {id,
--          fields, attempts}}, objects}
-- uses: deliveries outbox rows snapshots
local p, type_, after, most, most_bytes = take(), take(), take(), take_number(), take_number()

-- Returns: the events behind the place, each {id, its place}; one more than `most` if there are more
local function behind()
  local found = {}
  if p == "" then
    local some = redis.call("ZRANGEBYSCORE", k("evts", "t", type_), "(" .. after, "+inf", "WITHSCORES", "LIMIT", 0, most + 1)
    for i = 1, #some, 2 do found[#found + 1] = {some[i], some[i + 1]} end
  else
    for _, e in ipairs(events_in(k("pay", p))) do
      if tonumber(e.sequence) > tonumber(after) then found[#found + 1] = {e.id, e.sequence} end
    end
  end
  return found
end

-- The ids of an event's deliveries. Each row is read once.
local of_row, ids_of = {}, {}
local function deliveries_of(e)
  if not of_row[e.row.key] then
    of_row[e.row.key] = true
    for _, id in ipairs(names_in(e.row.key, "d:")) do
      local event = parts_of(id)
      ids_of[event] = ids_of[event] or {}
      table.insert(ids_of[event], id)
    end
  end
  return ids_of[e.id] or {}
end

local bytes = 0
local function whole_event(e)
  local sent = {}
  for i, id in ipairs(deliveries_of(e)) do
    local d = delivery(id)
    sent[i] = {id, fields_of_delivery(d), d.log}
    for _, attempt in ipairs(d.log) do bytes = bytes + #attempt end
  end
  bytes = bytes + #e.body
  return {e.id, object_of(e.row.p, e.row.snap) or 0, fields_of_event(e), sent}
end

local found, answer, last = behind(), {}, ""
for i = 1, math.min(most, #found) do
  local e = event_of(found[i][1])
  if e then
    local is_object_read = object_at[(e.row.p or "") .. "#" .. (e.row.snap or "")]
    if #answer > 0 and (bytes > most_bytes or objects_size > most_bytes and not is_object_read) then break end
    answer[#answer + 1] = whole_event(e)
  end
  last = found[i][2]
end
return {int(revision()), found[#found] and found[#found][2] ~= last and last or "", answer, objects}
