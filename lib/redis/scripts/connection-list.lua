-- The connections of a user on all nodes that hold their lease. Forgets none: whoever comes next does.
--
-- KEYS 1 connections of the user   2 nodes
-- out  for each connection {id, node, session or '', since}
-- @include common
local now = readNow()
local registered = redis.call('HGETALL', KEYS[1])
local leases, found = {}, {}
for index = 1, #registered, 2 do
  local node, sid, at = string.match(registered[index + 1], '^([^|]*)|([^|]*)|(.*)$')
  if leases[node] == nil then
    local lease = redis.call('ZSCORE', KEYS[2], node)
    leases[node] = (lease and tonumber(lease) > now) or false
  end
  if leases[node] then found[#found + 1] = {registered[index], node, sid, at} end
end
return found
