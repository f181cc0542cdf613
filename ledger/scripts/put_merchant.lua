-- Stores all of a merchant. Trouble with i'mport may have come from its credentials, or from there being no such merchant. So neither its
-- next refresh nor a reconciliation whose list has failed need wait any longer; the sweep kicks them.
-- ARGV: merchant, imp_key, imp_secret (both sealed), include_sandbox, check_prepared (0 or 1), since (ms, or ""), how long before it was
--       first added `since` is if it is not given (ms), hash of its webhook token (or ""), tier (or "")
-- Returns: 1 if it is new, else 0
-- uses: lanes opening outbox
local m, imp_key, imp_secret, include_sandbox, check_prepared = take(), take(), take(), take(), take()
local since, head_start, token_hash, tier = take_number(), take_number(), take(), take()
must_be_open()
local row, run = k("merchant", m), AUTO .. m
local created, included, sandbox_since = unpack(redis.call("HMGET", row, "created_at", "include_sandbox", "sandbox_since"))
local is_new = not created
created = tonumber(created or now())
-- What happened at test channels before the merchant included them is recorded silently.
if include_sandbox ~= "1" or is_new then
  sandbox_since = "0"
elseif included ~= "1" then
  sandbox_since = int(now())
end
redis.call("HSET", row, "created_at", int(created), "since", int(since or created - head_start),
  "include_sandbox", include_sandbox, "sandbox_since", sandbox_since or "0", "check_prepared", check_prepared,
  "imp_key", imp_key, "imp_secret", imp_secret, "token_hash", token_hash, "tier", tier, "trouble", "")
redis.call("ZADD", k("merchants"), "NX", int(created), m)
redis.call("ZREM", k("merchants", "deleted"), m)
mark_changed("merchant", m)
for _, lane in ipairs(lanes_of_merchant(m)) do
  redis.call("HDEL", k("lane", lane), "not_before", "closed")
  index_lane(lane)
end
if redis.call("HGET", k("recon", run), "is_failing") == "1" and due_at("job/reconcile", run) then
  touch("job/reconcile", run, now())
  index_lane("job/reconcile")
end
return is_new and 1 or 0
