-- Reads events of a type that belongs to no payment, the oldest first, with their deliveries and attempts.
-- ARGV: type, recorded behind which place, most
-- Returns: {revision, place of the last (or "" at the end), events}
-- uses: outbox whole
local type_, after, most = take(), take(), take()
local found, events, last = redis.call("ZRANGEBYSCORE", k("evts", "t", type_), "(" .. after, "+inf", "WITHSCORES", "LIMIT", 0, most), {}, ""
for i = 1, #found, 2 do
  events[#events + 1] = whole_events(k("evt", found[i]))[1]
  last = found[i + 1]
end
return {int(revision()), last, events}
