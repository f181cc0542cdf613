-- Reads whether the ledger was opened.
-- ARGV: none
-- Returns: 1 or 0
-- uses: opening
return is_open() and 1 or 0
