-- Putting back what history has, into a ledger that was lost. Nothing of it goes into the outbox, as history has it.

-- Only a ledger that is being restored is put back into: `restoring` is there from the beginning of that to its end.
local function is_restoring()
  return redis.call("EXISTS", k("restoring")) == 1
end

-- Writes a row as `packed_hash` has packed it. Returns: its fields by name, or nil where there is such a row
local function put_back_hash(key, packed)
  if redis.call("EXISTS", key) == 1 then return nil end
  local flat, row = cmsgpack.unpack(packed), {}
  for i = 1, #flat, 2 do row[flat[i]] = flat[i + 1] end
  with_all("HSET", key, flat)
  return row
end
