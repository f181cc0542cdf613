-- Reads whether a ledger has no merchant, endpoint or payment, or is still being restored.
-- ARGV: none
-- Returns: 1 or 0
-- uses: opening restoring
return (is_restoring() or is_empty()) and 1 or 0
