-- Who takes webhooks.

local known = {}

-- A merchant's webhook token decides; `default` is there before anybody has set it up.
local function welcome(m, token_hash)
  local wanted = known[m]
  if wanted == nil then
    local row = redis.call("HMGET", k("merchant", m), "created_at", "token_hash")
    wanted = (row[1] or m == "default") and (row[2] or "") or false
    known[m] = wanted
  end
  return wanted and wanted == token_hash
end

-- Before anybody is refused: a replica may lag behind (a primary that was demoted, too), and i'mport does not send again
-- after a 404. It turns down every write, even one that changes nothing.
local function must_be_primary()
  redis.call("DEL", k("merchant", ""))
end

