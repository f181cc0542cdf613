-- One page of an index, newest first: bounded work, however long the index is. Several indexes are merged. Of the indexes that have
-- the same scores the shortest is walked.
-- ARGV: limit, how many entries are read at most, score and member of the cursor (or "", ""), since, until (scores, or ""),
--       clock (an index whose scores are times where those of the walked ones are not, or ""),
--       how many indexes to walk, these, how many others a member must be in, these
-- Returns: {1 where more may follow else 0, score and member of the last entry read, then member, score, …}

local limit, most = take_number(), take_number()
local from_score, from_member, since, till, clock_index = take_text(), take(), take_number(), take_number(), take_text()
local walks, musts = take_rows(1), take_rows(1)
for i, name in ipairs(walks) do walks[i] = k(name) end
for i, name in ipairs(musts) do musts[i] = k(name) end
local scores_are_times = not clock_index

if #walks == 1 and scores_are_times then
  local smallest = redis.call("ZCARD", walks[1])
  for i = 1, #musts do
    local size = redis.call("ZCARD", musts[i])
    if size < smallest then
      walks[1], musts[i], smallest = musts[i], walks[1], size
    end
  end
end

-- Redis orders members by their bytes; Lua's own comparison follows the locale.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The rank from the top of the first entry below (score, member), whether that is still there or not.
local function rank_below(key, score, member)
  local low = redis.call("ZCOUNT", key, "(" .. score, "+inf")
  local high = low + redis.call("ZCOUNT", key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call("ZREVRANGE", key, middle, middle)[1]
    if before(found, member) then high = middle else low = middle + 1 end
  end
  return low
end

local chunk = math.max(8, math.ceil((limit + 1) / #walks))
local function start(key)
  local rank = 0
  if from_score then rank = rank_below(key, from_score, from_member) end
  if till and scores_are_times then
    rank = math.max(rank, redis.call("ZCOUNT", key, int(till), "+inf"))
  end
  return {key = key, rank = rank, at = 1, rows = {}}
end

local function head(walk)
  if walk.at > #walk.rows then
    walk.rows = redis.call("ZREVRANGE", walk.key, walk.rank, walk.rank + chunk - 1, "WITHSCORES")
    walk.rank, walk.at = walk.rank + chunk, 1
  end
  local member = walk.rows[walk.at]
  if not member then return nil end
  return member, walk.rows[walk.at + 1]
end

local open = {}
for i = 1, #walks do open[i] = start(walks[i]) end

local function next_entry()
  local best, best_member, best_score
  for i = #open, 1, -1 do
    local member, score = head(open[i])
    if not member then
      table.remove(open, i)
    else
      local a, b = tonumber(score), tonumber(best_score or "-inf")
      if not best or a > b or (a == b and before(best_member, member)) then
        best, best_member, best_score = open[i], member, score
      end
    end
  end
  if best then best.at = best.at + 2 end
  return best_member, best_score
end

local function wanted(member, score)
  local time = tonumber(score)
  if clock_index then
    time = tonumber(redis.call("ZSCORE", k(clock_index), member))
    if not time then return false end
  end
  if since and time < since then return false end
  if till and time >= till then return false end
  for i = 1, #musts do
    if not redis.call("ZSCORE", musts[i], member) then return false end
  end
  return true
end

local page, last_score, last_member, entries_read, more = {}, "", "", 0, 0
while true do
  local member, score = next_entry()
  if not member then break end
  if since and scores_are_times and tonumber(score) < since then break end
  if entries_read >= most then more = 1 break end
  if wanted(member, score) then
    if #page >= limit * 2 then more = 1 break end
    page[#page + 1] = member
    page[#page + 1] = score
  end
  entries_read, last_score, last_member = entries_read + 1, score, member
end
local answer = {more, last_score, last_member}
for i = 1, #page do answer[#answer + 1] = page[i] end
return answer
