// What this page knows and does: people, rooms, conversations. It draws nothing itself:
// `view` is told what changed.

import { Outbox, newKey } from "./outbox.js";
import { Talks, toOf } from "./talks.js";
import { get, post } from "./webapi.js";

const DELIVERED = "发送成功"; // what the relay writes on a receipt
const PAGE = 50;
// Two messages may be pushed in the other order than they were stored.
const OVERLAP = 50;

export class Chat {
  people = new Map(); // id -> { id, name, online, since, friend, node }
  rooms = new Map(); // name -> { name, topic, online, joined, members }
  current = null; // the conversation that is shown
  #loading = new Map(); // what -> the load that is under way
  #next = new Map(); // what -> the one after it
  #catching = null;
  #since = 0; // the newest message when this page was opened

  constructor(me, view, journeys) {
    this.me = me;
    this.view = view;
    this.journeys = journeys;
    this.talks = new Talks(me.id);
    this.outbox = new Outbox({
      onAsk: (line) => journeys.asked(line),
      onStored: (message, line) => this.#stored(message, line),
      onRefused: (line, error) => this.#refused(line, error),
    });
  }

  // Loads what the lists show. What is under way may have been answered before what one
  // asks about: then it is the load after that, shared by all who ask meanwhile.
  load(what) {
    const next = this.#next.get(what);
    if (next) return next;
    const now = this.#loading.get(what);
    if (!now) return this.#begin(what);
    const begin = () => {
      this.#next.delete(what);
      return this.#begin(what);
    };
    this.#next.set(what, now.then(begin, begin));
    return this.#next.get(what);
  }

  #begin(what) {
    const ended = () => this.#loading.delete(what);
    const loaded = LOADERS[what](this).finally(ended);
    this.#loading.set(what, loaded);
    return loaded.then(() => this.view.lists());
  }

  async start() {
    await Promise.all(["people", "rooms", "unread"].map((what) => this.load(what)));
  }

  // After every opening of the socket: what was pushed while it was shut is in the
  // WebApi, and the rooms are joined again before it answers.
  catchUp() {
    this.#catching ??= this.#catchUp().finally(() => (this.#catching = null));
    return this.#catching;
  }

  async #catchUp() {
    let after = Math.max(this.#since, this.talks.last) - OVERLAP;
    for (let more = true; more; ) {
      const page = await get("/api/missed", { after: Math.max(0, after), limit: 200 });
      for (const message of page.messages) this.take(message);
      more = page.more;
      after = page.messages.at(-1)?.id ?? 0;
    }
    await this.start();
  }

  setNewest(id) {
    this.#since ||= id;
  }

  // Messages in

  take(message, node = null) {
    const { talk, isNew } = this.talks.add(message);
    if (isNew && message.from.id !== this.me.id) {
      this.journeys.received(message, node);
      if (!this.view.isShown(talk)) talk.unread += 1;
      this.view.arrived(talk, message);
    }
    if (talk === this.current) this.view.talk();
    if (this.view.isShown(talk)) this.markRead(talk);
    this.view.lists();
    return talk;
  }

  onPush(push) {
    if (push.receipt) this.#onReceipt(push);
    else PUSHES[push.type]?.(this, push);
  }

  #onReceipt({ content, receipt }) {
    const { message } = JSON.parse(content);
    if (!message) return;
    const state = receipt === DELIVERED ? "delivered" : "offline";
    this.mark(message.id, state);
    this.journeys.receipt(message, state);
    // So that the mark is still there after a reload; another tab may do it, too.
    post("/api/receipts", { id: message.id, state }).catch(() => {});
  }

  mark(id, state) {
    const message = this.talks.mark(id, state);
    const isHere = message && this.talks.with(toOf(message, this.me.id)) === this.current;
    if (isHere) this.view.talk();
  }

  // Messages out

  say(text) {
    const line = { to: this.current.to, text, key: newKey(), at: Date.now() };
    Object.assign(line, { state: "sending", error: null });
    this.current.pending.push(line);
    this.view.talk({ toEnd: true });
    this.outbox.put(line);
  }

  #stored(message, line) {
    this.journeys.published(message, line);
    this.take(message);
  }

  #refused(line, error) {
    Object.assign(line, { state: "failed", error });
    this.view.talk();
  }

  // Conversations

  async show(to) {
    const talk = this.talks.with(to);
    this.current = talk;
    this.view.talk({ fresh: true });
    this.view.lists();
    if (!talk.loaded && this.mayRead(talk)) await this.loadOlder();
    this.markRead(talk);
  }

  mayRead({ to }) {
    return to.room === undefined || Boolean(this.rooms.get(to.room)?.joined);
  }

  async loadOlder() {
    const talk = this.current;
    if (!talk.more || talk.loading) return;
    talk.loading = true;
    try {
      const before = talk.loaded && talk.messages.length ? talk.messages[0].id : null;
      const query = { ...talk.to, limit: PAGE, ...(before && { before }) };
      const { messages, more } = await get("/api/history", query);
      for (const message of messages) this.talks.add(message);
      Object.assign(talk, { more, loaded: true });
    } finally {
      talk.loading = false;
    }
    if (talk === this.current) this.view.talk({ older: true });
  }

  markRead(talk) {
    if (!this.view.isShown(talk) || talk.last <= (talk.read ?? 0)) return;
    talk.read = talk.last;
    talk.unread = 0;
    post("/api/read", { ...talk.to, id: talk.last }).catch(() => (talk.read = 0));
    this.view.lists();
  }

  // What the buttons do

  async join(name) {
    await post("/api/rooms/join", { name });
    await this.load("rooms");
    await this.show({ room: name });
  }

  async leave(name) {
    await post("/api/rooms/leave", { name });
    await this.load("rooms");
    this.view.talk({ fresh: true });
  }

  async createRoom(name, topic) {
    await post("/api/rooms", { name, topic });
    await this.load("rooms");
    await this.show({ room: name });
  }

  async friend(action, id) {
    await post(`/api/friends/${action}`, { id });
    await this.load("people");
    this.view.talk({ fresh: true });
  }
}

const LOADERS = {
  async people(chat) {
    const { people } = await get("/api/people");
    chat.people = new Map(people.map((person) => [person.id, person]));
    chat.view.gate();
  },
  async rooms(chat) {
    const { rooms } = await get("/api/rooms");
    chat.rooms = new Map(rooms.map((room) => [room.name, room]));
    chat.view.gate();
  },
  async unread(chat) {
    const counts = await get("/api/unread");
    chat.talks.setUnread(counts);
    chat.setNewest(counts.last);
    if (chat.current) chat.markRead(chat.current);
  },
};

const later = () => {}; // the socket's next opening, or the next bell, asks again

const PUSHES = {
  message: (chat, { message, node }) => chat.take(message, node),
  state: (chat, { id, state }) => chat.mark(id, state),
  people: (chat) => chat.load("people").catch(later),
  friends: (chat) => chat.load("people").catch(later),
  rooms: (chat) => chat.load("rooms").catch(later),
  read(chat, { user, room, id }) {
    const talk = chat.talks.with(room === undefined ? { user } : { room });
    if (id < talk.last) return;
    Object.assign(talk, { unread: 0, read: id });
    chat.view.lists();
  },
  presence(chat, { id, online, since, node }) {
    const person = chat.people.get(id);
    if (!person) return;
    Object.assign(person, { online, since, node });
    chat.view.lists();
    chat.view.gate();
  },
  file: (chat, push) => chat.view.incoming(push),
  broadcast: (chat, push) => chat.view.broadcast(push),
  kicked: (chat, { by }) => (chat.kickedBy = by),
};
