-- The lane in which a payment waits for its refresh, and what became of the notifications that asked for it.
-- uses: lanes outbox

-- ms between two refreshes of a merchant's unknown payments: a flood of made-up ids costs one look-up a second.
local UNKNOWN_EVERY = 1000

-- A payment that i'mport did not know stays in the slow lane.
local function lane_of_payment(m, imp)
  local unknown = "unknown/" .. m
  return is_due_or_leased(unknown, imp) and unknown or "refresh/" .. m
end

-- Whether a refresh of a payment is due, now or later, or under way.
local function awaits_refresh(m, imp)
  for _, lane in ipairs(lanes_of_merchant(m)) do
    if is_due_or_leased(lane, imp) then return true end
  end
  return false
end

-- Marks a payment dirty: it is due at `at`, an unknown one not before its turn. Returns: its lane
local function mark_dirty(m, imp, at)
  local lane = lane_of_payment(m, imp)
  if lane == "unknown/" .. m then at = math.max(at, now() + UNKNOWN_EVERY) end
  touch(lane, imp, at)
  return lane
end

-- Decides, before a payment is marked dirty, whether what its refresh finds is recorded silently ("1") or delivered ("0"); nil leaves
-- what was decided. A refresh that is already due, under way or stalled stays one that delivers; one planned for later becomes silent.
local function decide_silent(m, imp, silent)
  local lane = lane_of_payment(m, imp)
  if silent == "1" then
    local at = due_at(lane, imp)
    local is_awaited = at and at <= now() or is_leased(lane, imp) or redis.call("ZSCORE", k("stalled", lane), imp)
    if not is_awaited then redis.call("SADD", k("silent", lane), imp) end
  elseif silent == "0" then
    redis.call("SREM", k("silent", lane), imp)
  end
end

-- Records the outcome of a payment's pending notifications. One whose escrow change was not trusted gets a reason: `doubt` is
-- this refresh's for all of them; the one for an unverified source was stored with the notification when it came.
local function settle_notifications(ids, p, outcome, reason, doubt)
  with_all("ZREM", k("waiting", p), ids)
  if redis.call("EXISTS", k("pay", p)) == 1 then list(k("ageing"), p, int(now())) end
  for _, id in ipairs(ids) do
    local received, escrow, recorded = unpack(redis.call("HMGET", k("ntf", id), "received_at", "escrow", "reason"))
    if received then
      local became, why = outcome, reason
      if why == "" then
        why = escrow and doubt or recorded or ""
        if why ~= "" and became == "unchanged" then became = "rejected" end
      end
      redis.call("HSET", k("ntf", id), "outcome", became, "reason", why)
      append_entry_of("outcome", {id = id, outcome = became, reason = present(why), revision = revision()})
      list(k("ntfs", "o", "pending"), id, nil)
      list(k("ntfs", "o", became), id, received)
    end
  end
end

-- Removes the cancellations and escrow changes that webhooks reported before the claim with this token: its refresh has seen them.
-- Later ones stay.
local function drop_reported(p, token)
  for _, kind in ipairs({"reported", "escrow"}) do
    local rows = redis.call("HGETALL", k(kind, p))
    for i = 1, #rows, 2 do
      if tonumber(string.match(rows[i + 1], "^%d+")) <= tonumber(token) then redis.call("HDEL", k(kind, p), rows[i]) end
    end
  end
end

-- Lists a payment under its first time, its order number and its status; `status_before` is nil for one that is not listed yet.
local function list_payment(p, m, merchant_uid, status_before, status, first_at)
  if not status_before then
    list(k("pays"), p, first_at)
    list(k("pays", "m", m), p, first_at)
    if merchant_uid ~= "" then list(k("pays", "u", merchant_uid), p, first_at) end
  elseif status_before ~= status then
    list(k("pays", "s", status_before), p, nil)
    list(k("pays", "ms", m .. "/" .. status_before), p, nil)
  end
  if status_before ~= status then
    list(k("pays", "s", status), p, first_at)
    list(k("pays", "ms", m .. "/" .. status), p, first_at)
  end
end
