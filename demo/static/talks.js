// The conversations of this page: with everybody, with a room, with one person.

const KEPT_LINES = 500; // in each conversation

const talks = new Map(); // key -> talk
const lines = new Map(); // message id -> line

// A talk is { key, kind: "all" | "room" | "peer", target, lines, unread }.
export function talkWith(kind, target = "") {
  const key = `${kind} ${target}`;
  if (!talks.has(key)) talks.set(key, { key, kind, target, lines: [], unread: 0 });
  return talks.get(key);
}

export function talkOf(key) {
  return talks.get(key);
}

export function peersWrittenWith() {
  return [...talks.values()]
    .filter(({ kind, lines }) => kind === "peer" && lines.length > 0)
    .map(({ target }) => target);
}

// A line is { id, kind: "text" | "note", sender, nick, time, text, receipt }. Returns
// false if it is there already: a client with several tabs hears its own messages.
export function addLine(talk, line) {
  if (lines.has(line.id)) return false;
  lines.set(line.id, line);
  talk.lines.push(line);
  if (talk.lines.length > KEPT_LINES) lines.delete(talk.lines.shift().id);
  return true;
}

export function lineOf(id) {
  return lines.get(id);
}
