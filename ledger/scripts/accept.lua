-- Stores notifications and marks their payments dirty. A notification counts as accepted once it is stored, so it is stored last, when
-- its payment is dirty and the lane is indexed. Accepting it again repeats all of this, but changes only when the payment is refreshed.
-- ARGV: how many, then per notification:
--       id, merchant, imp_uid, its entry for history, received at (ms, or "" for now), traceparent (or ""), hash of its webhook token
--       (or ""), under which name its unverified source is budgeted (or "")
-- Returns: {lanes to kick, per notification "ok" or "unknown"; or "closed" for all of them}
-- uses: lanes merchants opening outbox payments records

-- Unverified sources can name any number of payments. This many unknown payments a minute, from one source and from all, are refreshed
-- without delay; the others wait in the slow lane. A payment that is known, or due anyway, does not count.
local OF_ONE, OF_ALL, BUDGET_MS = 300, 3000, 60000

local function within_budget(n)
  if not n.unverified_source or has_record(n.p) or is_due_or_leased("refresh/" .. n.m, n.imp) then return true end
  -- The total is checked first, so that there are never more counters than it allows.
  for _, limit in ipairs({{k("unverified"), OF_ALL}, {k("unverified", n.unverified_source), OF_ONE}}) do
    local used = redis.call("INCR", limit[1])
    if used == 1 then redis.call("PEXPIRE", limit[1], BUDGET_MS) end
    if used > limit[2] then return false end
  end
  return true
end

-- The payments to mark dirty, by merchant; and those from sources whose budget is used up, by slow lane.
local dirty, slow = {}, {}
local function put(some, name, imp)
  some[name] = some[name] or {}
  table.insert(some[name], imp)
end

if not is_open() then return {{}, "closed"} end
local answers, some, is_marked = {}, {}, {}
for i = 1, take_number() do
  local n = {id = take(), m = take(), imp = take(), entry = take(), received_at = take(), traceparent = take(),
    token_hash = take(), unverified_source = take_text()}
  if not takes_webhook(n.m, n.token_hash) then
    must_be_primary()
    answers[i] = "unknown"
  else
    n.p = n.m .. "/" .. n.imp
    if n.received_at == "" then n.received_at = int(now()) end
    if not is_marked[n.p] then
      is_marked[n.p] = true
      if within_budget(n) then
        put(dirty, n.m, n.imp)
      else
        put(slow, "unknown/" .. n.m, n.imp)
      end
    end
    some[#some + 1] = n
    answers[i] = "ok"
  end
end

local lanes = {}
for m, imps in pairs(dirty) do mark_all_dirty(lanes, m, imps, now()) end
for lane, imps in pairs(slow) do
  touch_all(lane, imps, now())
  lanes[lane] = true
end
local kicks = announce(lanes)
for _, n in ipairs(some) do append_entry(n.entry, {received_at = tonumber(n.received_at)}) end
append_to_outbox()
local new = 0
for _, n in ipairs(some) do
  local trace = n.traceparent ~= "" and " " .. n.traceparent or ""
  new = new + redis.call("HSET", k("pay", n.p), "n:" .. n.id, n.received_at .. trace .. ":" .. n.entry)
end
if new > 0 then count("accepted", new) end
return {kicks, answers}
