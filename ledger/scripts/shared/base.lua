-- Comes before every script. KEYS[1] is the prefix of all keys; ledger/keys.py tells what they hold.

local prefix = KEYS[1]

local function k(...)
  return prefix .. table.concat({...}, ":")
end

local clock
local function now()
  if not clock then
    local time = redis.call("TIME")
    clock = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return clock
end

-- Times and counters as text: Lua's own way would write 1.7951e+12.
local function int(number)
  return string.format("%.0f", number)
end

local function score(answer)
  return answer[2] and tonumber(answer[2])
end

-- Counts something that happened, by the minute, for two days.
local function count(what, n)
  local minute = k("minute", int(math.floor(now() / 60000)))
  redis.call("HINCRBY", minute, what, n)
  redis.call("EXPIRE", minute, 172800)
end

-- The same by the day, for a month.
local function count_day(what, n)
  local day = k("day", int(math.floor(now() / 86400000)))
  redis.call("HINCRBY", day, what, n)
  redis.call("EXPIRE", day, 2678400)
end

