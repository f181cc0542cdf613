-- Reads whether merchants take webhooks with these tokens.
-- ARGV: how many, (merchant, hash of the webhook token or "")…
-- Returns: per merchant and token 1 or 0; false if the ledger is not open
-- uses: merchants opening
if not is_open() then return false end
local answers, refuses = {}, false
for i = 1, take_number() do
  answers[i] = takes_webhook(take(), take()) and 1 or 0
  refuses = refuses or answers[i] == 0
end
if refuses then must_be_primary() end
return answers
