-- The live sessions of a user, oldest first. Forgets the ended ones.
--
-- KEYS 1 sessions of the user   2 cut of the user   3 cut of everyone
-- ARGV 1 prefix of session keys
-- out  for each session {id, fields, milliseconds left}
-- @include common
local cut = readCuts(KEYS[2], KEYS[3])
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local session, left = readSession(ARGV[1] .. id, cut)
  if session then found[#found + 1] = {id, session, text(left)} else redis.call('ZREM', KEYS[1], id) end
end
return found
