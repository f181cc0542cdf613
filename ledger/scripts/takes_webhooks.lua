-- Whether merchants take webhooks with these tokens. Answer: 1 or 0 each. ARGV: (merchant, token_hash or "")…
-- uses: welcome
local answers, all = {}, true
for i = 1, #ARGV, 2 do
  local is_welcome = welcome(ARGV[i], ARGV[i + 1])
  all = all and is_welcome
  answers[#answers + 1] = is_welcome and 1 or 0
end
if not all then must_be_primary() end
return answers
