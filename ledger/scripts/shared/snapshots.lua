-- i'mport's objects as the refreshes that found facts saw them; the events of one refresh share one object. A payment's row has them by
-- the version of the record, `o:{version}`, as workers compress them. Long objects are not compressed. The first is stored whole, those
-- after it as differences from it: its version, how many bytes are the same at either end, and what is between. Once the differences
-- would together be longer than the whole object, the next one is stored whole again. So if a payment's history grows by a row, storing
-- the object again costs only that row. `o:whole` says which object is whole, `o:spent` how many bytes the differences from it take.

local BLOCK = 1024

-- How many bytes two texts have in common from their beginning.
local function in_common(a, b)
  local most, n = math.min(#a, #b), 0
  while n < most and string.sub(a, n + 1, n + BLOCK) == string.sub(b, n + 1, n + BLOCK) do n = n + BLOCK end
  n = math.min(n, most)
  while n < most and string.byte(a, n + 1) == string.byte(b, n + 1) do n = n + 1 end
  return n
end

local function is_compressed(object)
  return string.sub(object, 1, 1) ~= "{"
end

-- The fields of a payment's row that store an object under a version.
local function snapshot_fields(p, version, object)
  if is_compressed(object) then return {"o:" .. version, object} end
  local base, spent = unpack(redis.call("HMGET", k("pay", p), "o:whole", "o:spent"))
  -- If an earlier script ended halfway, this version may be stored already: nothing refers to it yet.
  local whole = base and base ~= version and redis.call("HGET", k("pay", p), "o:" .. base)
  if whole then
    local first = in_common(whole, object)
    local last = in_common(string.reverse(string.sub(whole, first + 1)), string.reverse(string.sub(object, first + 1)))
    local difference = string.format("%s %d %d\n", base, first, last) .. string.sub(object, first + 1, #object - last)
    spent = tonumber(spent) + #difference
    if spent <= #whole then return {"o:" .. version, difference, "o:spent", int(spent)} end
  end
  return {"o:" .. version, object, "o:whole", version, "o:spent", "0"}
end

-- The object of a payment that is stored under a version, compressed or not; nil if there is none. `text`: the row's field for that
-- version, if the caller has read it.
local function snapshot(p, version, text)
  text = text or redis.call("HGET", k("pay", p), "o:" .. version)
  if not text then return nil end
  local base, first, last, at = string.match(text, "^(%d+) (%d+) (%d+)\n()")
  if not base then return text end
  local whole = redis.call("HGET", k("pay", p), "o:" .. base)
  return string.sub(whole, 1, tonumber(first)) .. string.sub(text, at) .. string.sub(whole, #whole - tonumber(last) + 1)
end

-- The objects that a script returns, each once even if several of its rows refer to it, and how many bytes they have.
local objects, object_at, objects_size = {}, {}, 0

-- The place in `objects` of an event's object; 0 if the event's body is whole, nil if the object is gone.
local function object_of(p, version, text)
  if not version then return 0 end
  local name = p .. "#" .. version
  if not object_at[name] then
    local object = snapshot(p, version, text)
    if not object then return nil end
    objects[#objects + 1] = object
    object_at[name] = #objects
    objects_size = objects_size + #object
  end
  return object_at[name]
end
