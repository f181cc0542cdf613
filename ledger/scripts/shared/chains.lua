-- An ordered endpoint gets the events of a payment one after the other: a chain has its unsettled deliveries by sequence, and only the
-- first of them is in the lane.

local function chain_of(ep, m, imp)
  return k("chain", ep .. "/" .. m .. "/" .. imp)
end

-- The earlier delivery that this one waits for; nil where it does not wait.
local function predecessor(id, ep, m, imp)
  local chain = chain_of(ep, m, imp)
  local first = redis.call("ZRANGE", chain, 0, 0)[1]
  return first and first ~= id and redis.call("ZSCORE", chain, id) and first or nil
end
