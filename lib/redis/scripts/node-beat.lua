-- Renews the lease of a node, on the server's clock.
--
-- KEYS 1 nodes
-- ARGV 1 node   2 lease ms
-- out  {now, '1' when the lease stood until now}
-- @include common
local now = readNow()
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
return {text(now), (lease and tonumber(lease) > now) and '1' or ''}
