-- Counts an attempt to sign in, unless there were too many.
-- ARGV: source, most attempts of one source, most of all ("" for a source that does not count among all), how long they are remembered
--       (ms)
-- Returns: 0, or after how long the source may try again (ms)
local source, of_source, of_all, remembered = take(), take_number(), take_number(), take()
local attempts = k("sign_ins")
local left = redis.call("PTTL", attempts)
if left > 0 then
  local counts = redis.call("HMGET", attempts, "from:" .. source, "all")
  if tonumber(counts[1] or 0) >= of_source or of_all and tonumber(counts[2] or 0) >= of_all then return left end
end
redis.call("HINCRBY", attempts, "from:" .. source, 1)
if of_all then redis.call("HINCRBY", attempts, "all", 1) end
if left <= 0 then redis.call("PEXPIRE", attempts, remembered) end
return 0
