-- A process gives up the handling of a group's events; never another's.
--
-- KEYS[1]  {P}Group{group}  string  which process handles the events
-- ARGV[1]  the process that asks
-- Returns 1, or 0 if the lease is another's or nobody's.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
