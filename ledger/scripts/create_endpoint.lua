-- Adds an endpoint.
-- ARGV: endpoint, merchant, row (JSON), subscription ("ordered filter filter …"), max_in_flight, rate_limit (a second, or "")
-- Returns: when it was created (ms), or "unknown" if there is no such merchant
-- uses: opening outbox
local ep, m, row, subscription, max_in_flight, rate_limit = take(), take(), take(), take(), take(), take()
must_be_open()
if redis.call("EXISTS", k("merchant", m)) == 0 then return "unknown" end
local created = int(now())
set_endpoint(ep, "row", row, "merchant", m, "state", "enabled", "disabled_reason", "",
  "created_at", created, "max_in_flight", max_in_flight, "rate_limit", rate_limit)
redis.call("HSET", k("subs", m), ep, subscription)
redis.call("ZADD", k("endpoints"), created, ep)
redis.call("ZADD", k("endpoints", "m", m), created, ep)
return created
