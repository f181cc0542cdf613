-- Tries commands on a key that holds nothing, so that a missing right is found before the command is needed.
-- ARGV: the calls (JSON: [[command, argument, …], …]; "?" is the key)
-- Returns: the refused commands, {command, why, …}
local key = k("probe")
local refused = {}
for _, call in ipairs(cjson.decode(take())) do
  for n, argument in ipairs(call) do
    if argument == "?" then call[n] = key end
  end
  local answer = redis.pcall(unpack(call))
  if type(answer) == "table" and answer.err then
    refused[#refused + 1] = call[1]
    refused[#refused + 1] = answer.err
  end
  redis.pcall("DEL", key)
end
return refused
