-- The lane in which a payment waits for its refresh.
-- uses: lanes

-- ms between two refreshes of a merchant's unknown payments: a flood of made-up ids costs one look-up a second.
local UNKNOWN_EVERY = 1000

-- The lane of a payment. One that i'mport did not know stays in the slow lane.
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

-- Marks payments of a merchant dirty: they are due at `at`, an unknown one not before its turn. Adds their lanes to `lanes` (a set).
local function mark_all_dirty(lanes, m, imps, at)
  local unknown, refresh, known = "unknown/" .. m, "refresh/" .. m, imps
  if redis.call("EXISTS", k("due", unknown), k("tokens", unknown)) > 0 then
    local slow = {}
    known = {}
    for _, imp in ipairs(imps) do
      local some = lane_of_payment(m, imp) == unknown and slow or known
      some[#some + 1] = imp
    end
    if #slow > 0 then
      touch_all(unknown, slow, math.max(at, now() + UNKNOWN_EVERY))
      lanes[unknown] = true
    end
  end
  if #known > 0 then
    touch_all(refresh, known, at)
    lanes[refresh] = true
  end
end

-- Marks a payment dirty. Returns: its lane
local function mark_dirty(m, imp, at)
  local lanes = {}
  mark_all_dirty(lanes, m, {imp}, at)
  return (next(lanes))
end

-- Decides, before a payment is marked dirty, whether its refresh records silently ("1") or delivers ("0"); nil leaves the earlier
-- decision. A refresh that is already due, under way or stalled is not made silent; one that is planned for later is.
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
