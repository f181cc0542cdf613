-- Reads deliveries in one look. ARGV: delivery ids
-- Answer: per delivery {hash, attempts, due (ms, or ""), 1 while it is being sent else 0, the delivery it waits for or "",
--                       what its endpoint's lane waits for: {now, not before, Retry-After until, rate until (ms or ""), health (JSON or "")},
--                       empty for one that does not wait}
local answer, limits = {}, {}
local function limits_of(ep)
  if not limits[ep] then
    local row = redis.call("HMGET", k("lane", "deliver/" .. ep), "not_before", "told_until", "rate_until")
    limits[ep] = {int(now()), row[1] or "", row[2] or "", row[3] or "", redis.call("HGET", k("endpoint", ep), "health") or ""}
  end
  return limits[ep]
end
for i, id in ipairs(ARGV) do
  local hash = redis.call("HGETALL", k("dlv", id))
  local due, leased, head, asked = "", 0, "", nil
  local state, ep, m, imp = unpack(redis.call("HMGET", k("dlv", id), "state", "endpoint", "merchant", "imp_uid"))
  if state == "pending" then
    for _, lane in ipairs({"deliver/" .. ep, "replay/" .. ep}) do
      due = due ~= "" and due or redis.call("ZSCORE", k("due", lane), id) or ""
      if redis.call("HEXISTS", k("tokens", lane), id) == 1 then leased = 1 end
    end
    asked = redis.call("ZSCORE", k("asked", "deliver/" .. ep), id)
    local chain = k("chain", ep .. "/" .. m .. "/" .. imp)
    local first = redis.call("ZRANGE", chain, 0, 0)[1]
    if due == "" and leased == 0 and first and first ~= id and redis.call("ZSCORE", chain, id) then head = first end
  end
  answer[i] = {hash, redis.call("LRANGE", k("att", id), 0, -1), due, leased, head, state == "pending" and not asked and limits_of(ep) or {}}
end
return answer
