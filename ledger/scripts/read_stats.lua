-- Reads how much work waits; the script takes longer with more merchants and endpoints.
-- ARGV: none
-- Returns: {now (ms), refreshes, deliveries, pending, dead, held, refusals (reason, count, …), notifications in receivers' spools,
--          receivers that reported within a minute, why their spools store nothing (reason, …),
--          refused bodies (merchant:reason, count, last (ms), …), the latest first, what an old copy lacks ("from:to" in ms, or "")};
--          refreshes and deliveries are {how many are due, late since (ms, or ""), how many of them are in paused lanes, since when the
--          oldest of these is due (ms, or "")}
-- uses: lanes

local MOST_BODIES = 200

-- A lane that needs a worker now is late since it needed one. A lane that needs none although it has due members is paused: by its
-- endpoint (a breaker, Retry-After, its limits), or because i'mport fails.
local function tally(lane, sum)
  local due = redis.call("ZCOUNT", k("due", lane), "-inf", int(now()))
  sum.due = sum.due + due + redis.call("ZCARD", k("leased", lane))
  local since = redis.call("ZSCORE", k("lanes"), lane)
  if since and tonumber(since) <= now() then
    sum.late = math.min(sum.late or since, since)
  elseif due > 0 then
    local first = first_due(lane)
    sum.paused = sum.paused + due
    sum.oldest_paused = math.min(sum.oldest_paused or first, first)
  end
end

local function summary(sum)
  return {sum.due, sum.late and int(sum.late) or "", sum.paused, sum.oldest_paused and int(sum.oldest_paused) or ""}
end

local refreshes = {due = 0, paused = 0}
local merchants = redis.call("ZRANGE", k("merchants"), 0, -1)
if redis.call("EXISTS", k("merchant", DEFAULT_MERCHANT)) == 0 then merchants[#merchants + 1] = DEFAULT_MERCHANT end
for _, m in ipairs(merchants) do
  for _, lane in ipairs(lanes_of_merchant(m)) do tally(lane, refreshes) end
end

local deliveries, pending, dead, held = {due = 0, paused = 0}, 0, 0, 0
for _, ep in ipairs(redis.call("ZRANGE", k("endpoints"), 0, -1)) do
  local waiting = redis.call("ZCARD", k("dlvs", "s", ep .. "/pending"))
  dead = dead + redis.call("ZCARD", k("dlvs", "s", ep .. "/dead"))
  if redis.call("HGET", k("endpoint", ep), "state") == "enabled" then
    pending = pending + waiting
    for _, lane in ipairs(lanes_of_endpoint(ep)) do tally(lane, deliveries) end
  else
    held = held + waiting
  end
end
local spooled, receivers, spool_troubles = 0, 0, {}
for _, row in ipairs(redis.call("HVALS", k("spools"))) do
  local waiting, at, reason = string.match(row, "^(%d+):(%d+):?(.*)$")
  if tonumber(at) >= now() - RECEIVER_SILENT_MS then
    spooled = spooled + waiting
    receivers = receivers + 1
    if reason ~= "" then spool_troubles[#spool_troubles + 1] = reason end
  end
end

local function refused_bodies()
  local answer = {}
  local last = redis.call("ZREVRANGE", k("refused_bodies", "at"), 0, MOST_BODIES - 1, "WITHSCORES")
  for i = 1, #last, 2 do
    for _, part in ipairs({last[i], redis.call("HGET", k("refused_bodies"), last[i]) or "0", int(tonumber(last[i + 1]))}) do
      answer[#answer + 1] = part
    end
  end
  return answer
end

return {int(now()), summary(refreshes), summary(deliveries), pending, dead, held, redis.call("HGETALL", k("refusals")), spooled,
  receivers, spool_troubles, refused_bodies(), redis.call("GET", k("old_copy")) or ""}
