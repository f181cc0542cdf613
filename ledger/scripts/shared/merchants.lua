-- Merchants that take webhooks.
-- uses: opening

-- Whether a merchant takes webhooks before it is added, because its credentials may be in the environment only.
local function needs_no_row(m)
  return m == DEFAULT_MERCHANT
end

local token_hashes = {}

-- A merchant's webhook token decides.
local function takes_webhook(m, token_hash)
  local wanted = token_hashes[m]
  if wanted == nil then
    local row = redis.call("HMGET", k("merchant", m), "created_at", "token_hash")
    wanted = (row[1] or needs_no_row(m)) and (row[2] or "") or false
    token_hashes[m] = wanted
  end
  return wanted and wanted == token_hash
end

-- Fails on a replica, which may lag behind (so may a primary that was demoted): i'mport does not send a webhook again after a 404,
-- so only the primary may refuse one. A replica refuses every write, even one that changes nothing.
local function must_be_primary()
  redis.call("DEL", k("merchant", ""))
end
