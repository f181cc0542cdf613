-- Which lane a payment is looked at in, and what became of the notifications that asked for it.
-- uses: lanes

-- The lane in which a payment waits: one that i'mport did not know stays in the slow one.
local function lane_of(m, imp)
  local unknown = "unknown/" .. m
  if redis.call("ZSCORE", k("due", unknown), imp) or redis.call("HEXISTS", k("tokens", unknown), imp) == 1 then
    return unknown
  end
  return "refresh/" .. m
end

-- Whether a look at a payment is due, now or later, or is being made.
local function is_awaited(m, imp)
  for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
    if redis.call("ZSCORE", k("due", lane), imp) or redis.call("HEXISTS", k("tokens", lane), imp) == 1 then return true end
  end
  return false
end

-- A look at a payment, soon: an unknown one is looked at once a second at most.
local function mark(m, imp, at)
  local lane = lane_of(m, imp)
  if lane == "unknown/" .. m then at = math.max(at, now() + 1000) end
  touch(lane, imp, at)
  return lane
end

-- Decides, before a payment is marked, whether what the look finds is recorded silently ("1") or sent ("0"); "" leaves what was
-- decided. A look that somebody waits for already stays one that is sent; one that is only planned for later becomes silent.
local function decide_quiet(m, imp, quiet)
  local lane = lane_of(m, imp)
  local at = redis.call("ZSCORE", k("due", lane), imp)
  local awaited = at and tonumber(at) <= now() or redis.call("HEXISTS", k("tokens", lane), imp) == 1
    or redis.call("ZSCORE", k("stalled", lane), imp)
  if quiet == "1" and not awaited then redis.call("SADD", k("quiet", lane), imp) end
  if quiet == "0" then redis.call("SREM", k("quiet", lane), imp) end
end

-- Those of these notifications that spoke of an escrow change.
local function of_escrow_changes(ids)
  local found = {}
  for _, id in ipairs(ids) do
    if redis.call("HEXISTS", k("ntf", id), "escrow") == 1 then found[#found + 1] = id end
  end
  return found
end

-- What became of notifications of a payment that had waited. One whose escrow change was not believed says why: `doubt` is
-- what this look says of all of them, and a sender's own doubt was noted when it came.
local function settle_notifications(ids, p, outcome, reason, doubt)
  with_all("ZREM", k("waiting", p), ids)
  for _, id in ipairs(ids) do
    local received, escrow, noted = unpack(redis.call("HMGET", k("ntf", id), "received_at", "escrow", "reason"))
    if received then
      local became, why = outcome, reason
      if why == "" then
        why = escrow and doubt or noted or ""
        if why ~= "" and became == "unchanged" then became = "rejected" end
      end
      redis.call("HSET", k("ntf", id), "outcome", became, "reason", why)
      list(k("ntfs", "o", "pending"), id, nil)
      list(k("ntfs", "o", became), id, received)
    end
  end
end

-- What webhooks spoke of (cancellations, escrow changes) before a claim with this token: a look has seen it. Later ones stay.
local function forget_claims(p, token)
  for _, kind in ipairs({"claims", "escrow"}) do
    local told = redis.call("HGETALL", k(kind, p))
    for i = 1, #told, 2 do
      if tonumber(string.match(told[i + 1], "^%d+")) <= tonumber(token) then redis.call("HDEL", k(kind, p), told[i]) end
    end
  end
end
