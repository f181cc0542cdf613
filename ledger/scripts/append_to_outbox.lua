-- Appends entries that a process has packed.
-- ARGV: how many, these…
-- Returns: id of the appended item
-- uses: outbox
for _, entry in ipairs(take_rows(1)) do append_entry(entry) end
return append_to_outbox()
