-- The sockets of clients on one node become numbers. They are absolute: saying them twice
-- changes nothing. Each socket of difference is one event, as in the original, with the
-- client's sockets anywhere after it as Item3. The first and the last socket anywhere are
-- an entry in the stream, too, and with the last one the client leaves its channels.
--
-- KEYS[1]  {P}Online        hash    client id -> sockets on all nodes
-- KEYS[2]  {P}Node{node}    hash    client id -> sockets on this node
-- KEYS[3]  {P}Meta{node}    hash    client id -> token value of the last socket
-- KEYS[4]  {P}ListChan      hash    chan -> number of members
-- KEYS[5]  {P}Nodes         hash    node -> number of its last word
-- KEYS[6]  {P}Lease{node}   string  there while the node lives
-- KEYS[7]  {P}Presence      stream  kind, value: what clients did
-- ARGV[1]  node
-- ARGV[2]  number of this word, higher than those before; or 'reap' if another node says
--          it because this one is dead
-- ARGV[3]  evt_{P}Online    channel
-- ARGV[4]  evt_{P}Offline   channel
-- ARGV[5]  {P}Client        what the key of a client's channels begins with
-- ARGV[6]  {P}Chan          what the key of a channel begins with
-- ARGV[7]  entries that the stream keeps
-- ARGV[8]  milliseconds for which a node is left alone that was not known
-- ARGV[9…] for each client: its id, its sockets on this node, and the token's JSON object
--          without its closing brace
-- Returns for each client its sockets on all nodes; -1 if the node to be reaped lives.
local node, word, reap = ARGV[1], ARGV[2], ARGV[2] == 'reap'
local late = false
if reap then
    if redis.call('EXISTS', KEYS[6]) == 1 then
        return -1
    end
else
    -- A word whose answer was late may come after those that were said since, from a
    -- connection that was given up: it is old, and will be or was said again.
    late = tonumber(word) < tonumber(redis.call('HGET', KEYS[5], node) or '0')
    -- So whoever holds a count is also found when it is dead.
    if not late and redis.call('HSET', KEYS[5], node, word) == 1 then
        -- It was reaped, or Redis lost its data, and it does not know yet. Nobody may
        -- take it for dead meanwhile; that the lease is none of its own tells it.
        redis.call('SET', KEYS[6], 'given', 'PX', ARGV[8], 'NX')
    end
end

local function leave_all_channels(id)
    local channels = ARGV[5] .. id
    for _, chan in ipairs(redis.call('HKEYS', channels)) do
        if redis.call('HDEL', ARGV[6] .. chan, id) == 1
            and redis.call('HINCRBY', KEYS[4], chan, -1) <= 0 then
            redis.call('HDEL', KEYS[4], chan)
        end
    end
    redis.call('DEL', channels)
end

local function tell(value, held, sockets, before, total)
    local step, channel = 1, ARGV[3]
    if sockets < held then
        step, channel = -1, ARGV[4]
    end
    local count = before
    for _ = 1, math.abs(sockets - held) do
        count = math.max(count + step, 0)
        redis.call('PUBLISH', channel, value .. ',"Item3":' .. count .. '}')
    end
    if (before == 0) ~= (total == 0) then
        local kind = total > 0 and 'online' or 'offline'
        redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[7], '*',
            'kind', kind, 'value', value .. ',"Item3":' .. total .. '}')
    end
end

local function set(id, sockets, value)
    local held = tonumber(redis.call('HGET', KEYS[2], id) or '0')
    local before = tonumber(redis.call('HGET', KEYS[1], id) or '0')
    if late or sockets == held then
        return before
    end
    if reap then
        value = redis.call('HGET', KEYS[3], id) or value
    end
    if sockets > 0 then
        redis.call('HSET', KEYS[2], id, sockets)
        redis.call('HSET', KEYS[3], id, value)
    else
        redis.call('HDEL', KEYS[2], id)
        redis.call('HDEL', KEYS[3], id)
    end
    local total = math.max(before + sockets - held, 0)
    if total > 0 then
        redis.call('HSET', KEYS[1], id, total)
    else
        redis.call('HDEL', KEYS[1], id)
        leave_all_channels(id)
    end
    tell(value, held, sockets, before, total)
    return total
end

local totals = {}
for i = 9, #ARGV, 3 do
    totals[#totals + 1] = set(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2])
end
return totals
