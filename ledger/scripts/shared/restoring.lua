-- Putting rows back from history into a lost ledger. None of them goes into the outbox, because history has them.

-- Rows are put back only while the ledger is being restored: `restoring` exists from the beginning of that to its end.
local function is_restoring()
  return redis.call("EXISTS", k("restoring")) == 1
end

-- Writes a row that `packed_hash` has packed, unless it exists. Returns: its fields by name, or nil if it existed
local function put_back_hash(key, packed)
  if redis.call("EXISTS", key) == 1 then return nil end
  local flat = cmsgpack.unpack(packed)
  with_all("HSET", key, flat)
  return table_of(flat)
end
