-- How full Redis is.

-- Bytes used, and how many there may be (0: any number). What replicas and the append-only file wait for is not counted by Redis
-- itself either (`mem_not_counted_for_evict`; redis.io, INFO).
local function memory()
  local info = redis.call("INFO", "memory")
  local function bytes(field) return tonumber(string.match(info, "\n" .. field .. ":(%d+)") or 0) end
  return bytes("used_memory") - bytes("mem_not_counted_for_evict"), bytes("maxmemory")
end

-- Whether there is room for so many bytes before nothing more is claimed.
local function has_room(bytes)
  local used, most = memory()
  return most == 0 or used + bytes < most * 0.95
end

