-- Which nodes are dead: their leases have run out.
--
-- KEYS[1]  {P}Nodes         hash    node -> number of its last word
-- ARGV[1]  {P}Lease         what the key of a lease begins with
-- Returns their names.
local dead = {}
for _, node in ipairs(redis.call('HKEYS', KEYS[1])) do
    if redis.call('EXISTS', ARGV[1] .. node) == 0 then
        dead[#dead + 1] = node
    end
end
return dead
