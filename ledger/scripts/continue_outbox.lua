-- Redis came back with an old copy: history is further than this outbox. A new item must not get a place that history takes for recorded,
-- not even if the clock is behind. Items appended since Redis came back get later places. So do items of the copy that were not recorded
-- when it was made; recording them twice changes nothing in history. A job erases again the buyers whom the copy still has.
-- ARGV: place that history has reached, lane of the job, whose id is when the copy ends (ms)
-- Returns: {lanes to kick, {when the copy ends (ms), now (ms)}}, without the second if this is no old copy
-- uses: lanes opening outbox_places
local WEEK_SECONDS = 604800
local place, lane = take(), take()
-- A Redis that was emptied a moment ago has no copy: it has to be restored.
if not is_open() then return {{}} end
-- A ledger that was put back from history, or begun anew beside it, has recorded nothing yet and lacks nothing.
local is_restored = redis.call("EXISTS", k("recorded")) == 0 and (redis.call("GET", k("base")) or "0") ~= "0"
local recorded = recorded_place()
if not is_before(recorded, place) then return {{}} end
local outbox = k("outbox")
if #redis.call("XRANGE", outbox, place, place) > 0 then return {{}} end
local newest = redis.call("XREVRANGE", outbox, "+", "-", "COUNT", 1)[1]
local waiting = redis.call("XRANGE", outbox, "(" .. recorded, place)
local ends = string.match(#waiting > 0 and waiting[1][1] or recorded, "^%d+")
if not newest or is_before(newest[1], place) then redis.call("XADD", outbox, place, "reached", "1") end
for _, item in ipairs(waiting) do redis.call("XADD", outbox, "*", unpack(item[2])) end
redis.call("SET", k("recorded"), place)
-- All before that place is recorded, or was appended again above.
redis.call("XTRIM", outbox, "MINID", place)
if is_restored then return {{}} end
redis.call("SET", k("old_copy"), ends .. ":" .. int(now()), "EX", WEEK_SECONDS)
touch(lane, ends, now())
return {index_and_kick(lane), {tonumber(ends), now()}}
