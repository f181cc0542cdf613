-- i'mport's objects as the refreshes that found facts saw them; the events of one refresh share one. `snaps:p` has them by the
-- version of the record: one whole, and those after it as differences from it (its version, how many bytes are the same at both ends,
-- and what is between), until together these are longer than the whole one. So a history that grows row by row costs its rows.

local BLOCK = 1024

-- How many bytes two texts have in common from their beginning.
local function in_common(a, b)
  local most, n = math.min(#a, #b), 0
  while n < most and string.sub(a, n + 1, n + BLOCK) == string.sub(b, n + 1, n + BLOCK) do n = n + BLOCK end
  n = math.min(n, most)
  while n < most and string.byte(a, n + 1) == string.byte(b, n + 1) do n = n + 1 end
  return n
end

-- Stores an object of a payment under a version, in `snaps:p` or in what is to become it.
local function store_snapshot(key, version, object)
  local base, spent = unpack(redis.call("HMGET", key, "whole", "spent"))
  -- This version may be stored already, where a script before this one ended halfway: nothing refers to it yet.
  local whole = base and base ~= version and redis.call("HGET", key, base)
  if whole then
    local first = in_common(whole, object)
    local last = in_common(string.reverse(string.sub(whole, first + 1)), string.reverse(string.sub(object, first + 1)))
    local difference = string.format("%s %d %d\n", base, first, last) .. string.sub(object, first + 1, #object - last)
    spent = tonumber(spent) + #difference
    if spent <= #whole then
      redis.call("HSET", key, version, difference, "spent", int(spent))
      return
    end
  end
  redis.call("HSET", key, version, object, "whole", version, "spent", "0")
end

-- The object of a payment that was stored under a version; nil where there is none.
local function snapshot(p, version)
  local key = k("snaps", p)
  local text = redis.call("HGET", key, version)
  if not text then return nil end
  local base, first, last, at = string.match(text, "^(%d+) (%d+) (%d+)\n()")
  if not base then return text end
  local whole = redis.call("HGET", key, base)
  return string.sub(whole, 1, tonumber(first)) .. string.sub(text, at) .. string.sub(whole, #whole - tonumber(last) + 1)
end

-- The objects that a script returns, each once however many of its rows refer to it, and how many bytes they have.
local objects, object_at, objects_size = {}, {}, 0

-- The place in `objects` of an event's object, 0 for an event whose body is whole; nil where the object is gone.
local function object_of(p, version)
  if not version then return 0 end
  local name = p .. "#" .. version
  if not object_at[name] then
    local object = snapshot(p, version)
    if not object then return nil end
    objects[#objects + 1] = object
    object_at[name] = #objects
    objects_size = objects_size + #object
  end
  return object_at[name]
end

