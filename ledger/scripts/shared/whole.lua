-- What belongs to an event, as it is stored: what is written to history again.
-- uses: deliveries rows snapshots

-- The events in a row, by sequence.
-- Returns: per event {id, place of its object or 0, its fields, deliveries {id, fields, attempts}}
local function whole_events(key)
  local fields, answer, of_event = redis.call("HGETALL", key), {}, {}
  for i = 1, #fields, 2 do
    local kind, id = string.match(fields[i], "^(%a+):(.*)$")
    if kind == "e" then
      answer[#answer + 1] = load_event(id, fields[i + 1])
    elseif kind == "d" then
      local d = load_delivery(id, fields[i + 1])
      of_event[d.event] = of_event[d.event] or {}
      table.insert(of_event[d.event], {id, fields_of_delivery(d), d.log})
    end
  end
  table.sort(answer, function(a, b) return tonumber(a.sequence) < tonumber(b.sequence) end)
  for i, e in ipairs(answer) do
    answer[i] = {e.id, object_of(e.row.p, e.row.snap) or 0, fields_of_event(e), of_event[e.id] or {}}
  end
  return answer
end
