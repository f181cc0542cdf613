-- How much is to be done, in one look; the work is that of the number of merchants and endpoints.
-- Answer: {now (ms), looks, deliveries, pending, dead, held, refusals (reason, count, …), notifications in receivers' spools,
--          receivers that said so within a minute, refused bodies (merchant:reason, count, last (ms), …), the latest first};
--          looks and deliveries are {due, late since (ms, or ""), of these in lanes that wait, oldest of those (ms, or "")}

-- A lane that wants a worker is late since then; one that does not, though something in it is due, waits for its endpoint (a
-- breaker, Retry-After, its limits) or for i'mport.
local function tally(lane, sum)
  local due = redis.call("ZCOUNT", k("due", lane), "-inf", int(now()))
  sum.due = sum.due + due + redis.call("ZCARD", k("leased", lane))
  local since = redis.call("ZSCORE", k("lanes"), lane)
  if since and tonumber(since) <= now() then
    sum.late = math.min(sum.late or since, since)
  elseif due > 0 then
    local first = score(redis.call("ZRANGE", k("due", lane), 0, 0, "WITHSCORES"))
    sum.paused = sum.paused + due
    sum.oldest_paused = math.min(sum.oldest_paused or first, first)
  end
end

local function told(sum)
  return {sum.due, sum.late and int(sum.late) or "", sum.paused, sum.oldest_paused and int(sum.oldest_paused) or ""}
end

local looks = {due = 0, paused = 0}
local merchants = redis.call("ZRANGE", k("merchants"), 0, -1)
if redis.call("EXISTS", k("merchant", "default")) == 0 then merchants[#merchants + 1] = "default" end
for _, m in ipairs(merchants) do
  tally("refresh/" .. m, looks)
  tally("unknown/" .. m, looks)
end

local sends, pending, dead, held = {due = 0, paused = 0}, 0, 0, 0
for _, ep in ipairs(redis.call("ZRANGE", k("endpoints"), 0, -1)) do
  local waiting = redis.call("ZCARD", k("dlvs", "s", ep .. "/pending"))
  dead = dead + redis.call("ZCARD", k("dlvs", "s", ep .. "/dead"))
  if redis.call("HGET", k("endpoint", ep), "state") == "enabled" then
    pending = pending + waiting
    tally("deliver/" .. ep, sends)
    tally("replay/" .. ep, sends)
  else
    held = held + waiting
  end
end
local spooled, receivers = 0, 0
for _, row in ipairs(redis.call("HVALS", k("spools"))) do
  local waiting, at = string.match(row, "^(%d+):(%d+)$")
  if tonumber(at) >= now() - 60000 then
    spooled = spooled + waiting
    receivers = receivers + 1
  end
end

local function refused_bodies()
  local answer = {}
  local last = redis.call("ZREVRANGE", k("refused_bodies", "at"), 0, 199, "WITHSCORES")
  for i = 1, #last, 2 do
    for _, part in ipairs({last[i], redis.call("HGET", k("refused_bodies"), last[i]) or "0", int(tonumber(last[i + 1]))}) do
      answer[#answer + 1] = part
    end
  end
  return answer
end

return {int(now()), told(looks), told(sends), pending, dead, held, redis.call("HGETALL", k("refusals")), spooled,
  receivers, refused_bodies()}
