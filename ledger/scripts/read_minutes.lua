-- What happened in each of the last minutes, as `count` of shared/base.lua noted it. ARGV: how many minutes, then names of counters
-- Answer: {the minute that is now (minutes since 1970), per minute, the oldest first, and per name: count}
local last, names = math.floor(now() / 60000), {}
for i = 2, #ARGV do names[i - 1] = ARGV[i] end
local answer = {last}
for minute = last - tonumber(ARGV[1]) + 1, last do
  local counts = redis.call("HMGET", k("minute", int(minute)), unpack(names))
  for i = 1, #names do answer[#answer + 1] = tonumber(counts[i] or 0) end
end
return answer
