-- Deliveries that an operator requested: a retry or a test is sent at once, whatever the lane waits for.
-- uses: deliveries

-- `what` is "retry" or "test": only a test is also sent to a disabled endpoint.
local function request_delivery(lane, d, what)
  d.requested = what
  save(d)
  redis.call("ZADD", k("requested", lane), int(now()), d.id)
  redis.call("HSETNX", k("lane", lane), "requested_at", int(now()))
end

-- Forgets the requests for these deliveries: they are under way, or no longer requested.
local function drop_requests(lane, ids)
  with_all("ZREM", k("requested", lane), ids)
  if redis.call("EXISTS", k("requested", lane)) == 0 then redis.call("HDEL", k("lane", lane), "requested_at") end
end
