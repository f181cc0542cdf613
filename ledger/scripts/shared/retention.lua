-- What is removed together with a row.
-- uses: deliveries

-- The deliveries among these fields (field, value, …) of a row.
local function deliveries_in(fields)
  local found = {}
  for i = 1, #fields, 2 do
    local id = string.match(fields[i], "^d:(.*)$")
    if id then found[#found + 1] = load_delivery(id, fields[i + 1]) end
  end
  return found
end

local function has_pending_delivery(some)
  for _, d in ipairs(some) do
    if d.state == "pending" then return true end
  end
  return false
end

-- Takes deliveries that are being removed out of the list of dead ones.
local function unlist(some)
  for _, d in ipairs(some) do
    if d.state == "dead" then redis.call("ZREM", k("dlvs", "s", d.ep .. "/dead"), d.id) end
  end
end
