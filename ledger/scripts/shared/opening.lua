-- Whether the ledger is open (see ledger/opening.py). A lost ledger that is not restored yet knows no merchants.

local function is_open()
  return redis.call("EXISTS", k("open")) == 1
end

-- Whether the ledger has no merchant, endpoint or payment.
local function is_empty()
  return redis.call("EXISTS", k("merchants"), k("endpoints"), k("ageing")) == 0
end

-- Fails unless the ledger is open: a merchant or endpoint that is set up in a lost ledger would be in the way of those that are put back.
-- ledger/scripting.py recognizes the error by this word.
local function must_be_open()
  if not is_open() then error("NOTOPEN", 0) end
end
