-- Where events are stored. The row of a payment, `pay:p`, has its events (`e:{id}`), i'mport's objects that these show (`o:{version}`, see
-- snapshots.lua) and their deliveries (`d:{id}`, see deliveries.lua). An event that belongs to no payment has a row of its own,
-- `evt:{id}`, with the same fields. The hash `events` has "version payment" for each event of a payment: the version under which its
-- object is stored ("" if its body is whole), and the payment in whose row it is.

-- Packs the values that a table has under these names. An absent or empty value takes one byte, or none at the end.
local function packed(names, row)
  local values, last = {}, #names
  while last > 1 and not row[names[last]] do last = last - 1 end
  for i = 1, last do values[i] = row[names[i]] or "" end
  return cmsgpack.pack(values)
end

-- Unpacks such values into a table.
local function unpack_into(row, names, text)
  local values = cmsgpack.unpack(text)
  for i = 1, #values do
    if values[i] ~= "" then row[names[i]] = values[i] end
  end
  return row
end

local rows = {}

-- Notes in which row an event is. `of`: its field of `events`; nil if it belongs to no payment
local function place_event(event, of)
  local snap, m, imp = string.match(of or "", "^(%d*) ([^/]*)/(.*)$")
  rows[event] = m and {key = k("pay", m .. "/" .. imp), p = m .. "/" .. imp, m = m, imp = imp, snap = snap ~= "" and snap or nil}
    or {key = k("evt", event), imp = ""}
end

-- Finds the rows of many events by one command.
local function find_rows(ids)
  local unknown = {}
  for _, event in ipairs(ids) do
    if not rows[event] then
      rows[event] = true
      unknown[#unknown + 1] = event
    end
  end
  for first = 1, #unknown, 1000 do
    local last = math.min(first + 999, #unknown)
    local found = redis.call("HMGET", k("events"), unpack(unknown, first, last))
    for i = first, last do place_event(unknown[i], found[i - first + 1] or nil) end
  end
end

-- The row of an event: key, p, m, imp, snap; only key and imp ("") if it belongs to no payment. The event need not exist.
local function row_of(event)
  if not rows[event] then find_rows({event}) end
  return rows[event]
end

-- `webhook_at`: when the webhook came that led to the event (ms). `trace`: the traceparent of the commit that recorded it, if that was traced.
local EVENT = {"type", "sequence", "recorded_at", "silent", "sandbox", "about", "of", "body", "webhook_at", "trace"}

local events = {}

-- An event, unpacked from its field of the row: id, row and the fields of EVENT (`of`: the merchant, if it belongs to no payment). nil if
-- there is no such field.
local function load_event(id, text)
  events[id] = text and unpack_into({id = id, row = row_of(id)}, EVENT, text) or false
  return events[id] or nil
end

local function event_of(id)
  if events[id] == nil then load_event(id, redis.call("HGET", row_of(id).key, "e:" .. id)) end
  return events[id] or nil
end

-- The events in a row, by sequence.
local function events_in(key)
  local ids, found = names_in(key, "e:"), {}
  for first = 1, #ids, 1000 do
    local fields = {}
    for i = first, math.min(first + 999, #ids) do fields[#fields + 1] = "e:" .. ids[i] end
    for i, text in ipairs(redis.call("HMGET", key, unpack(fields))) do found[#found + 1] = load_event(ids[first + i - 1], text) end
  end
  table.sort(found, function(a, b) return tonumber(a.sequence) < tonumber(b.sequence) end)
  return found
end

-- Adds the values of a row under these names to a flat list: name, value, …
local function listed_fields(names, row, flat)
  for _, name in ipairs(names) do
    if row[name] and type(row[name]) ~= "table" then
      flat[#flat + 1] = name
      flat[#flat + 1] = row[name]
    end
  end
  return flat
end

-- The fields of an event: name, value, …
local function fields_of_event(e)
  return listed_fields(EVENT, e, {"merchant", e.row.m or e.of, "imp_uid", e.row.imp, "snap", e.row.snap or ""})
end
