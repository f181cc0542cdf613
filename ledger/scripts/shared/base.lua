-- Comes before every script. KEYS[1] is the prefix of all keys; ledger/keys.py lists them.

local prefix = KEYS[1]

local function k(a, b, c)
  if c then return prefix .. a .. ":" .. b .. ":" .. c end
  if b then return prefix .. a .. ":" .. b end
  return prefix .. a
end

local clock
local function now()
  if not clock then
    local time = redis.call("TIME")
    clock = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return clock
end

-- Times and counters as text: Lua itself would write 1.7951e+12.
local function int(number)
  return string.format("%.0f", number)
end

-- The present time as text, which many rows of a batch share.
local moment
local function this_moment()
  moment = moment or int(now())
  return moment
end

-- The score in the answer to a ZRANGE of one member WITHSCORES; nil if there is none.
local function score(answer)
  return answer[2] and tonumber(answer[2])
end

-- Lua's stack holds 8000 values.
local MOST_ARGUMENTS = 7000

-- A command with any number of arguments, in parts that fit on Lua's stack. Returns: the sum of its answers
local function with_all(command, key, args)
  local sum = 0
  for first = 1, #args, MOST_ARGUMENTS do
    sum = sum + redis.call(command, key, unpack(args, first, math.min(first + MOST_ARGUMENTS - 1, #args)))
  end
  return sum
end

-- A hash as Redis lists it (name, value, …), as a table.
local function table_of(flat)
  local row = {}
  for i = 1, #flat, 2 do row[flat[i]] = flat[i + 1] end
  return row
end

-- The names of a hash's fields that begin with `start`, without that beginning.
local function names_in(key, start)
  local found = {}
  for _, field in ipairs(redis.call("HKEYS", key)) do
    if string.sub(field, 1, #start) == start then found[#found + 1] = string.sub(field, #start + 1) end
  end
  return found
end

-- Sets a key that expires after so many ms, unless it exists. A key that expires later than that was set before Redis' clock was put
-- back; it is replaced. Returns: whether it was set
local function take_for(name, ms)
  if redis.call("SET", name, "1", "NX", "PX", ms) then return true end
  if redis.call("PTTL", name) <= ms then return false end
  redis.call("SET", name, "1", "PX", ms)
  return true
end

-- Indexes the lanes that a script changed before it failed (see lanes.lua).
local index_touched_lanes = function() end

-- Wakes the sweep for lanes that are due sooner than it means to look (see lanes.lua).
local wake_the_sweep = function() end

-- Appends to the outbox what a script has changed (see outbox.lua).
local append_to_outbox = function() end

-- Notes that the outbox may lack what a script has changed (see outbox.lua).
local note_lacking = function() end

-- Lists and counters are written when the script is done, so that a batch writes each of them once. No script may read a list that it
-- has changed. A row is listed only after it was written, because Redis may refuse to write it.
local listed, counted = {}, {}

-- Puts a member into a list (a sorted set) at a place (its score), or takes it out if the place is nil.
local function list(key, member, place)
  listed[key] = listed[key] or {}
  listed[key][member] = place or false
end

-- Adds to a counter of a hash, which expires after so many seconds (nil: never).
local function add(key, field, n, seconds)
  counted[key] = counted[key] or {seconds = seconds, n = {}}
  counted[key].n[field] = (counted[key].n[field] or 0) + n
end

-- Minutes since 1970.
local function this_minute()
  return math.floor(now() / 60000)
end

local function minute_key(minute)
  return k("minute", int(minute))
end

-- Counts something that happened, by the minute, for two days.
local counted_in
local function count(what, n)
  counted_in = counted_in or minute_key(this_minute())
  add(counted_in, what, n, 172800)
end

-- Days since 1970.
local function today()
  return math.floor(now() / 86400000)
end

local function day_key(day)
  return k("day", int(day))
end

-- The same by the day, for a month.
local function count_day(what, n)
  add(day_key(today()), what, n, 2678400)
end

-- Runs once the script is done (see ledger/lua.py).
local function write_lists_and_counters()
  for key, places in pairs(listed) do
    local added, removed = {}, {}
    for member, place in pairs(places) do
      if place then
        added[#added + 1] = place
        added[#added + 1] = member
      else
        removed[#removed + 1] = member
      end
    end
    with_all("ZADD", key, added)
    with_all("ZREM", key, removed)
  end
  for key, counts in pairs(counted) do
    for field, n in pairs(counts.n) do redis.call("HINCRBY", key, field, n) end
    if counts.seconds then redis.call("EXPIRE", key, counts.seconds) end
  end
end
