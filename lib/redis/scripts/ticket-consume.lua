-- Spends a ticket outside of a handshake.
--
-- KEYS 1 ticket   2 cut of the user   3 cut of everyone
-- ARGV 1 prefix of all keys   2 hash   3 user hash   4 run id   5 use   6 origin   7 path   8 session
-- out  {'consumed', fields} | {'unknown'} | {'replayed'} | {'mismatch', what differs}
-- @include common
-- @include ticket-spend
local now = readNow()
local presented = {use = ARGV[5], origin = ARGV[6], path = ARGV[7], session = ARGV[8]}
local outcome, ticket = spendTicket(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], presented, now)
if outcome ~= 'consumed' then return {outcome, ticket or ''} end

local cut, credentialCut = readCuts(KEYS[2], KEYS[3])
if ticket[9] ~= '' and redis.call('EXISTS', ARGV[1] .. 'j:' .. ticket[9]) == 1 then return {'unknown'} end
if ticket[5] ~= '' then
  if not readSession(ARGV[1] .. 's:' .. ticket[5], cut) then return {'unknown'} end
elseif tonumber(ticket[8]) < credentialCut then
  return {'unknown'}
end
return {'consumed', ticket}
