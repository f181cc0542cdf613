-- Merchants that take webhooks.

-- Whether a merchant takes webhooks before it is added, because its credentials may be in the environment only.
local function needs_no_row(m)
  return m == DEFAULT_MERCHANT
end

local token_hashes = {}

-- Whether a merchant takes a webhook with this token ("" for none): it must be the merchant's own.
local function takes_webhook(m, token_hash)
  local wanted = token_hashes[m]
  if wanted == nil then
    local row = redis.call("HMGET", k("merchant", m), "created_at", "token_hash")
    wanted = (row[1] or needs_no_row(m)) and (row[2] or "") or false
    token_hashes[m] = wanted
  end
  return wanted and wanted == token_hash
end

-- Fails on a replica, by a write that changes nothing: a replica refuses it. A replica, or a primary that was demoted, may lag behind, and
-- i'mport does not send a webhook again after a 404: so only the primary may refuse one.
local function must_be_primary()
  redis.call("DEL", k("merchant", ""))
end
