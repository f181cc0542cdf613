-- Places in the outbox ("ms-n").

-- Whether a place is before another.
local function is_before(place, other)
  local ms, n = string.match(place, "^(%d+)-(%d+)$")
  local other_ms, other_n = string.match(other, "^(%d+)-(%d+)$")
  if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
  return tonumber(n) < tonumber(other_n)
end

-- The place up to which Redis knows that history has it.
local function recorded_place()
  return redis.call("GET", k("recorded")) or "0-0"
end
