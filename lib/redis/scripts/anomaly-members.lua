-- Adds members to a set of bounded size, in a window from the first.
--
-- KEYS 1 members
-- ARGV 1 window in ms   2 most members   3... members
-- out  {how many there were, how many there are}
local before = redis.call('HLEN', KEYS[1])
local after = before
for index = 3, #ARGV do
  if after < tonumber(ARGV[2]) then after = after + redis.call('HSET', KEYS[1], ARGV[index], '') end
end
if before == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {before, after}
