-- Reads sessions, and counts a use of them where that is asked for. All of one partition.
--
-- KEYS 1 cut of everyone   then for each session: its key, the cut of its user
-- ARGV 1 '1' to count a use
-- out  for each session {fields, milliseconds left}, or an empty list
-- @include common
local now = readNow()
local found = {}
for index = 2, #KEYS, 2 do
  local cut = readCuts(KEYS[index + 1], KEYS[1])
  local session, left = readSession(KEYS[index], cut)
  if session and ARGV[1] == '1' then left = touchSession(KEYS[index], session, now) end
  found[#found + 1] = session and {session, text(left)} or {}
end
return found
