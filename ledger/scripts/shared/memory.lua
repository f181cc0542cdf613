-- How full Redis is.

-- Bytes in use that count, and `maxmemory` (0 for no limit). Redis itself does not count the buffers of replicas and of the
-- append-only file (`mem_not_counted_for_evict`; redis.io, INFO).
local function memory()
  local info = redis.call("INFO", "memory")
  local function bytes(field) return tonumber(string.match(info, "\n" .. field .. ":(%d+)") or 0) end
  return bytes("used_memory") - bytes("mem_not_counted_for_evict"), bytes("maxmemory")
end

-- Then nothing new is claimed: what is under way needs the memory that is left.
local function is_nearly_full(used, most)
  return most > 0 and used >= most * NEARLY_FULL
end

-- Whether so many more bytes leave Redis below that.
local function has_memory_for(bytes)
  local used, most = memory()
  return not is_nearly_full(used + bytes, most)
end
