-- A client's sockets on all nodes are at least what our nodes hold together: somebody
-- else took them out of the list. What C# nodes hold on top is not known here.
--
-- KEYS[1]  {P}Online        hash    client id -> sockets on all nodes
-- KEYS[2]  {P}Nodes         hash    node -> number of its last word
-- KEYS[3]  {P}Presence      stream  kind, value: what clients did
-- ARGV[1]  client id
-- ARGV[2]  the token's JSON object without its closing brace
-- ARGV[3]  {P}Node          what the key of a node's hash begins with
-- ARGV[4]  evt_{P}Online    channel
-- ARGV[5]  entries that the stream keeps
-- Returns 1 if the count was raised, else 0.
local held = 0
for _, node in ipairs(redis.call('HKEYS', KEYS[2])) do
    held = held + tonumber(redis.call('HGET', ARGV[3] .. node, ARGV[1]) or '0')
end
local total = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if total >= held then
    return 0
end
redis.call('HSET', KEYS[1], ARGV[1], held)
for count = total + 1, held do
    redis.call('PUBLISH', ARGV[4], ARGV[2] .. ',"Item3":' .. count .. '}')
end
if total <= 0 then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*',
        'kind', 'online', 'value', ARGV[2] .. ',"Item3":' .. held .. '}')
end
return 1
