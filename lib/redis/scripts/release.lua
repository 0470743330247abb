-- Gives the places of connections back.
--
-- KEYS connections of a user, one for each place
-- ARGV the connection of each
-- out  nothing
for index, key in ipairs(KEYS) do redis.call('HDEL', key, ARGV[index]) end
