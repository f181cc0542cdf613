-- Reads deliveries, and what each waits for.
-- ARGV: delivery ids…
-- Returns: per delivery {its fields, attempts, due (ms, or ""), 1 while it is being sent else 0, the delivery it waits for or "",
--          what its endpoint's lane waits for: {now, not before, Retry-After until, rate until (ms or ""), health (JSON or "")},
--          or {} if the delivery does not wait for the lane}
-- uses: deliveries lanes
local pauses = {}
local function pause_of(ep)
  if not pauses[ep] then
    local row = redis.call("HMGET", k("lane", "deliver/" .. ep), "not_before", "retry_after_until", "rate_until")
    pauses[ep] = {int(now()), row[1] or "", row[2] or "", row[3] or "", redis.call("HGET", k("endpoint", ep), "health") or ""}
  end
  return pauses[ep]
end

local function read(id)
  local d = delivery(id)
  if not d then return {{}, {}, "", 0, "", {}} end
  local fields = fields_of_delivery(d)
  if d.state ~= "pending" then return {fields, d.log, "", 0, "", {}} end
  local due, leased = "", 0
  for _, lane in ipairs(lanes_of_endpoint(d.ep)) do
    due = due ~= "" and due or redis.call("ZSCORE", k("due", lane), id) or ""
    if is_leased(lane, id) then leased = 1 end
  end
  local is_requested = redis.call("ZSCORE", k("requested", "deliver/" .. d.ep), id)
  local waits_for = due == "" and leased == 0 and predecessor(d) or ""
  return {fields, d.log, due, leased, waits_for, is_requested and {} or pause_of(d.ep)}
end

local answer, ids = {}, take_rest()
find_deliveries(ids)
for i, id in ipairs(ids) do answer[i] = read(id) end
return answer
