-- Every ban that lasts; those that have ended are forgotten.
--
-- KEYS 1 bans
-- out  {{prefix, ms left, '1' when it is by a rule, reason}, ...}
-- @include common
local now = readNow()
local found = {}
local bans = redis.call('HGETALL', KEYS[1])
for index = 1, #bans, 2 do
  local ends, byRule, reason = string.match(bans[index + 1], '^(%d+)|(%d)|(.*)$')
  if ends and tonumber(ends) > now then
    found[#found + 1] = {bans[index], text(tonumber(ends) - now), byRule, reason}
  else
    redis.call('HDEL', KEYS[1], bans[index])
  end
end
return found
