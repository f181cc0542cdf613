-- Puts back a running replay, which goes on from the cursor that history has.
-- ARGV: id, row (packed), lane of its job
-- Returns: 1, or 0 if this ledger has it
-- uses: lanes restoring
local id, packed, lane = take(), take(), take()
if not is_restoring() then return 0 end
local row = put_back_hash(k("replay", id), packed)
if not row then return 0 end
redis.call("ZADD", k("replays"), row.created_at, id)
touch(lane, id, now())
index_lane(lane)
return 1
