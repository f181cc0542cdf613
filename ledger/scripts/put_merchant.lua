-- Stores a merchant whole. Answer: 1 where it is new, else 0.
-- ARGV: merchant, imp_key, imp_secret (both sealed), include_sandbox, check_prepared (0 or 1), since (ms, or "" for an
--       hour before it was first added), token_hash (or ""), tier (or "")
-- uses: lanes
local m, row = ARGV[1], k("merchant", ARGV[1])
local created = redis.call("HGET", row, "created_at")
local new = created and 0 or 1
created = created or int(now())
local since = ARGV[6]
-- What happened at test channels before the merchant wanted to know of it is recorded silently.
local included, sandbox_since = unpack(redis.call("HMGET", row, "include_sandbox", "sandbox_since"))
if ARGV[4] ~= "1" or new == 1 then
  sandbox_since = "0"
elseif included ~= "1" then
  sandbox_since = int(now())
end
if since == "" then since = int(tonumber(created) - 3600000) end
local run = redis.call("HGET", k("recon", "auto/" .. m), "row")
local failing = run and (cjson.decode(run)["tries"] or 0) > 0
redis.call("HSET", row, "created_at", created, "since", since, "include_sandbox", ARGV[4],
  "sandbox_since", sandbox_since or "0", "check_prepared", ARGV[5],
  "imp_key", ARGV[2], "imp_secret", ARGV[3], "token_hash", ARGV[7], "tier", ARGV[8], "trouble", "")
redis.call("ZADD", k("merchants"), "NX", created, m)
redis.call("ZREM", k("merchants", "deleted"), m)
-- Whatever was wrong with i'mport may have been the credentials, or that there was no merchant: the next look need not wait,
-- nor a list that has failed. The sweep tells of it.
for _, lane in ipairs({"refresh/" .. m, "unknown/" .. m}) do
  redis.call("HDEL", k("lane", lane), "not_before", "closed")
  index_lane(lane)
end
if failing and redis.call("ZSCORE", k("due", "job/reconcile"), "auto/" .. m) then
  touch("job/reconcile", "auto/" .. m, now())
  index_lane("job/reconcile")
end
return new
