-- Reads deliveries with what they wait for.
-- ARGV: delivery ids…
-- Returns: per delivery {hash, attempts, due (ms, or ""), 1 while it is being sent else 0, the delivery it waits for or "",
--          what its endpoint's lane waits for: {now, not before, Retry-After until, rate until (ms or ""), health (JSON or "")},
--          empty for a delivery that does not wait}
-- uses: chains lanes
local pauses = {}
local function pause_of(ep)
  if not pauses[ep] then
    local row = redis.call("HMGET", k("lane", "deliver/" .. ep), "not_before", "retry_after_until", "rate_until")
    pauses[ep] = {int(now()), row[1] or "", row[2] or "", row[3] or "", redis.call("HGET", k("endpoint", ep), "health") or ""}
  end
  return pauses[ep]
end

local function read(id)
  local hash, attempts = redis.call("HGETALL", k("dlv", id)), redis.call("LRANGE", k("att", id), 0, -1)
  local state, ep, m, imp = unpack(redis.call("HMGET", k("dlv", id), "state", "endpoint", "merchant", "imp_uid"))
  if state ~= "pending" then return {hash, attempts, "", 0, "", {}} end
  local due, leased, waits_for = "", 0, ""
  for _, lane in ipairs(lanes_of_endpoint(ep)) do
    due = due ~= "" and due or redis.call("ZSCORE", k("due", lane), id) or ""
    if is_leased(lane, id) then leased = 1 end
  end
  if due == "" and leased == 0 then waits_for = predecessor(id, ep, m, imp) or "" end
  local is_requested = redis.call("ZSCORE", k("requested", "deliver/" .. ep), id)
  return {hash, attempts, due, leased, waits_for, is_requested and {} or pause_of(ep)}
end

local answer = {}
for i, id in ipairs(take_rest()) do answer[i] = read(id) end
return answer
