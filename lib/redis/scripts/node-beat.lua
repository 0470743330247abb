-- Renews the lease of a node, on the server's clock.
--
-- KEYS 1 nodes
-- ARGV 1 node   2 lease ms
-- out  now
-- @include common
local now = readNow()
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
return text(now)
