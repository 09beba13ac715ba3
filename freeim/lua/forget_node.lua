-- A node that holds no socket any more is forgotten, with its lease.
--
-- KEYS[1]  {P}Lease{node}   string  there while the node lives
-- KEYS[2]  {P}Nodes         hash    node -> number of its last word
-- KEYS[3]  {P}Node{node}    hash    client id -> sockets on this node
-- KEYS[4]  {P}Status{node}  hash    what the node said of itself
-- ARGV[1]  node
-- ARGV[2]  'reap' if another node says it because this one is dead, else ''
-- Returns 1 if it was forgotten now, else 0.
if redis.call('EXISTS', KEYS[3]) == 1 then
    return 0
end
if ARGV[2] == 'reap' and redis.call('EXISTS', KEYS[1]) == 1 then
    return 0
end
redis.call('DEL', KEYS[1], KEYS[4])
return redis.call('HDEL', KEYS[2], ARGV[1])
