-- Reads what happened in each of the last minutes, as `count` of shared/base.lua counted it.
-- ARGV: how many minutes, how many names of counters, these
-- Returns: {the current minute (minutes since 1970), then per minute, the oldest first, and per name: count}
local minutes, names = take_number(), take_rows(1)
local last = this_minute()
local answer = {last}
for minute = last - minutes + 1, last do
  local counts = redis.call("HMGET", minute_key(minute), unpack(names))
  for i = 1, #names do answer[#answer + 1] = tonumber(counts[i] or 0) end
end
return answer
