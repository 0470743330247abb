-- Takes from the connect rate of an address, where that is not in the slot of the user: see admit.lua.
--
-- KEYS 1 rate
-- ARGV 1 emission interval in microseconds   2 burst   3 deadline, server clock
-- out  {'taken'} | {'rate', milliseconds} | {'late', now}
-- @include common
-- @include rate
local now = readNow()
if now > tonumber(ARGV[3]) then return {'late', text(now)} end
local wait = takeRate(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), 1)
if wait > 0 then return {'rate', wait} end
return {'taken'}
