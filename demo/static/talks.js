// Conversations: what was said, in the order of the ids, each message once.

const RANK = { sent: 0, offline: 1, delivered: 2 };

export function keyOf({ user, room }) {
  return room === undefined ? `user:${user}` : `room:${room}`;
}

// The conversation that a message belongs to, seen by the user `me`.
export function toOf({ from, to }, me) {
  return to.room === undefined && to.user === me ? { user: from.id } : to;
}

export class Talk {
  messages = [];
  pending = []; // of mine, not stored yet: { key, text, at, state, error }
  unread = 0;
  more = true; // older ones are in the WebApi's history
  loaded = false;
  draft = "";

  constructor(to) {
    this.to = to;
    this.key = keyOf(to);
  }

  get last() {
    return this.messages.at(-1)?.id ?? 0;
  }

  // What is pushed into a room carries no key; I write one after the other, so it is the
  // first of mine with that text.
  #settle({ key, text }) {
    const at = this.pending.findIndex((line) =>
      key ? line.key === key : line.state === "sending" && line.text === text,
    );
    if (at >= 0) this.pending.splice(at, 1);
  }

  // Returns whether it was new.
  add(message, mine) {
    if (mine) this.#settle(message);
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1].id > message.id) at -= 1;
    const same = this.messages[at - 1];
    if (same?.id === message.id) {
      same.state = better(same.state, message.state);
      return false;
    }
    this.messages.splice(at, 0, message);
    return true;
  }
}

// What is known of a message only ever gets better: receipts may overtake each other.
export function better(one, other) {
  return (RANK[other] ?? -1) > (RANK[one] ?? -1) ? other : one;
}

export class Talks {
  #all = new Map();
  #marks = new Map(); // message id -> state, for receipts that came before the message

  constructor(me) {
    this.me = me;
  }

  with(to) {
    const key = keyOf(to);
    if (!this.#all.has(key)) this.#all.set(key, new Talk(to));
    return this.#all.get(key);
  }

  [Symbol.iterator]() {
    return this.#all.values();
  }

  get last() {
    return Math.max(0, ...[...this].map(({ last }) => last));
  }

  // Returns the conversation and whether the message was new there.
  add(message) {
    const talk = this.with(toOf(message, this.me));
    const mark = this.#marks.get(message.id);
    if (mark) message.state = better(message.state, mark);
    return { talk, isNew: talk.add(message, message.from.id === this.me) };
  }

  // Returns the message that is now marked otherwise, if any.
  mark(id, state) {
    this.#marks.set(id, better(this.#marks.get(id), state));
    for (const { messages } of this) {
      const message = messages.find((one) => one.id === id);
      if (!message) continue;
      const before = message.state;
      message.state = better(before, state);
      return message.state === before ? null : message;
    }
    return null;
  }

  setUnread({ users, rooms }) {
    for (const talk of this) talk.unread = 0;
    for (const [id, count] of Object.entries(users)) {
      this.with({ user: Number(id) }).unread = count;
    }
    for (const [room, count] of Object.entries(rooms)) this.with({ room }).unread = count;
  }
}
