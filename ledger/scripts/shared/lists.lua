-- The lists in which a row is found when its key is not known. What people look for is found in history.

-- An event is listed under its payment, by sequence; one of no payment under its type, by when it was recorded.
local function list_event(event, m, imp, type_, sequence, at)
  if imp ~= "" then
    list(k("evts", "p", m .. "/" .. imp), event, sequence)
  else
    list(k("evts", "t", type_), event, at)
  end
end

-- Deliveries are listed while they are pending, and while they are dead, to be counted.
local IS_LISTED = {pending = true, dead = true}

local function list_delivery(id, ep, state, created)
  if IS_LISTED[state] then list(k("dlvs", "s", ep .. "/" .. state), id, created) end
end

-- Lists a delivery under another state. `created`: when it was created, where the caller has read that.
local function relist(id, ep, from, to, created)
  if IS_LISTED[from] then list(k("dlvs", "s", ep .. "/" .. from), id, nil) end
  if IS_LISTED[to] then list_delivery(id, ep, to, created or redis.call("HGET", k("dlv", id), "created_at") or int(now())) end
end
