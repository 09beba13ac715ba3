-- A process goes on handling a group's events, if it is still the one that does.
--
-- KEYS[1]  {P}Group{group}  string  which process handles the events
-- ARGV[1]  the process that asks
-- ARGV[2]  milliseconds until the lease runs out
-- Returns 1, or 0 if the lease is another's or nobody's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
