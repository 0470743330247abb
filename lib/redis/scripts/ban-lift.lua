-- Takes a ban back, and tells the other nodes whether it was there or not. Of one that must be by a rule, and is not there or
-- by an operator, nobody is told.
--
-- KEYS 1 bans
-- ARGV 1 prefix   2 channel   3 notice   4 '1' when it must be by a rule
-- out  1 when it was there and had not ended, 0 otherwise
-- @include common
local known = redis.call('HMGET', KEYS[1], ARGV[1])[1]
if ARGV[4] == '1' and not (known and string.match(known, '^%d+|1|')) then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
if known and tonumber(string.match(known, '^(%d+)')) > readNow() then return 1 end
return 0
