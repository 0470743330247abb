-- Takes from a rate.
--
-- KEYS 1 rate
-- ARGV 1 emission interval in microseconds   2 burst   3 cost
-- out  milliseconds to wait; 0: taken
-- @include rate
return takeRate(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
