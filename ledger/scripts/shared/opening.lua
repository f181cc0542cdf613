-- Whether the ledger was opened (see ledger/opening.py). One that was lost and is not restored yet knows no merchants.

local function is_open()
  return redis.call("EXISTS", k("open")) == 1
end

-- What is set up in a lost ledger would be in the way of what is put back. The store knows the error by its first word.
local function must_be_open()
  if not is_open() then error("NOTOPEN", 0) end
end
