-- A node says that it lives.
--
-- KEYS[1]  {P}Lease{node}   string  there while the node lives
-- KEYS[2]  {P}Nodes         hash    node -> number of its last word
-- KEYS[3]  {P}Status{node}  hash    what the node says of itself, gone with the lease
-- ARGV[1]  node
-- ARGV[2]  milliseconds until the node must have said so again
-- ARGV[3…]  field, value: what it says of itself; none: nothing
-- Returns 1 if the lease was unbroken; 0 if it had run out, and others may have taken
-- the node's counts away, or if Redis lost its data.
local before = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], 'taken', 'PX', ARGV[2])
redis.call('HSETNX', KEYS[2], ARGV[1], 0)
redis.call('DEL', KEYS[3])
if #ARGV > 2 then
    redis.call('HSET', KEYS[3], unpack(ARGV, 3))
    redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
return before == 'taken' and 1 or 0
