-- Releases leases: their members are untouched, and due at once.
-- ARGV: how many, (lane, member, token)…
-- Returns: {lanes to kick}
-- uses: lanes leases
local tokens = {}
for _ = 1, take_number() do
  local lane, member = take(), take()
  tokens[lane] = tokens[lane] or {}
  tokens[lane][member] = take()
end

local lanes = {}
for lane, token_of in pairs(tokens) do
  local members, held, due = {}, {}, {}
  for member in pairs(token_of) do members[#members + 1] = member end
  for member, token in pairs(tokens_of(lane, members)) do
    if token == token_of[member] then
      end_turn(lane, token)
      held[#held + 1] = member
      due[member] = now()
    end
  end
  release_all(lane, held, due)
  lanes[lane] = true
end
return {announce(lanes)}
