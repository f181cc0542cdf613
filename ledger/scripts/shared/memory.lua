-- How full Redis is.

-- Bytes in use that count, and `maxmemory` (0 for no limit). Redis itself does not count the buffers of replicas and of the
-- append-only file (`mem_not_counted_for_evict`; redis.io, INFO).
local function memory()
  local info = redis.call("INFO", "memory")
  local function bytes(field) return tonumber(string.match(info, "\n" .. field .. ":(%d+)") or 0) end
  return bytes("used_memory") - bytes("mem_not_counted_for_evict"), bytes("maxmemory")
end

-- If it is, nothing new is claimed: work under way needs the memory that is left.
local function is_nearly_full(used, most)
  return most > 0 and used >= most * NEARLY_FULL
end

-- Whether Redis would not be nearly full with so many more bytes.
local function has_memory_for(bytes)
  local used, most = memory()
  return not is_nearly_full(used + bytes, most)
end
