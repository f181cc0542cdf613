-- How full Redis is.

-- Bytes in use that count, and `maxmemory` (0 where there is none). What replicas and the append-only file wait for is not counted
-- by Redis itself either (`mem_not_counted_for_evict`; redis.io, INFO).
local function memory()
  local info = redis.call("INFO", "memory")
  local function bytes(field) return tonumber(string.match(info, "\n" .. field .. ":(%d+)") or 0) end
  return bytes("used_memory") - bytes("mem_not_counted_for_evict"), bytes("maxmemory")
end

-- From 95 % on nothing new is begun: what is under way needs the room that is left.
local function is_nearly_full(used, most)
  return most > 0 and used >= most * 0.95
end

-- Whether there is room for so many bytes before that.
local function has_room(bytes)
  local used, most = memory()
  return not is_nearly_full(used + bytes, most)
end
