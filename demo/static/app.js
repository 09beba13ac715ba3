// The demo's page: what it asks the WebApi, and what it does with each message.

import { FreeIMConnection, Refused } from "./freeim.js";
import { addLine, lineOf, peersWrittenWith, talkOf, talkWith } from "./talks.js";
import * as view from "./view.js";
import { ask } from "./webapi.js";

const { $ } = view;
const FIRST_ROOM = "Lobby";
const DELIVERED = "发送成功"; // what the relay writes on a receipt

// One tab is one person: a reload keeps it, a second tab is somebody else.
const me = JSON.parse(sessionStorage.getItem("me")) ?? { id: 0, nick: "", rooms: [] };
const saveMe = () => sessionStorage.setItem("me", JSON.stringify(me));

const nicks = new Map(); // client id -> nick, of everybody ever heard of
let headCounts = new Map(); // room -> people in it
let online = []; // client ids
let current = talkWith("all");
let isOpen = false;

const connection = new FreeIMConnection({ getUrl, onMessage, onState });

async function getUrl() {
  const known = me.id ? { websocketId: me.id } : {};
  const answer = await ask("/ws/pre-connect", { ...known, nick: me.nick });
  me.id = answer.websocketId;
  saveMe();
  return answer.server;
}

function onState(state, detail) {
  isOpen = state === "open";
  view.renderState(state, detail);
  if (isOpen) refresh();
}

// Rooms and people

let refreshing = false;
let refreshAgain = false;

async function refresh() {
  refreshAgain = true;
  if (refreshing) return;
  refreshing = true;
  try {
    while (refreshAgain && isOpen) {
      refreshAgain = false;
      await refreshOnce();
    }
  } catch {
    // The WebApi is away; it says "changed" as soon as it is back.
  } finally {
    refreshing = false;
  }
}

async function refreshOnce() {
  const [rooms, people] = await Promise.all([
    ask("/ws/get-channels", { websocketId: me.id }),
    ask("/ws/people"),
  ]);
  headCounts = new Map(rooms.channels.map(({ chan, online }) => [chan, online]));
  online = people.people.map(({ websocketId }) => websocketId);
  for (const { websocketId, nick } of people.people) nicks.set(websocketId, nick);
  render();
  // A client is out of its rooms once its last socket has closed.
  const lost = me.rooms.filter((room) => !rooms.joined.includes(room));
  await Promise.all(lost.map(join));
}

function join(room) {
  return ask("/ws/subscr-channel", { websocketId: me.id, channel: room });
}

async function enterRoom(room) {
  show(talkWith("room", room));
  if (me.rooms.includes(room)) return;
  await join(room);
  me.rooms.push(room);
  saveMe();
  render();
  await send(talkWith("room", room), { type: "welcome" });
}

async function leaveRoom(room) {
  me.rooms = me.rooms.filter((one) => one !== room);
  saveMe();
  show(talkWith("all"));
  await ask("/ws/leave-channel", { websocketId: me.id, channel: room });
}

// Messages out

async function send({ kind, target }, msg) {
  const time = Date.now();
  const id = `${me.id}-${time}-${Math.random().toString(36).slice(2, 8)}`;
  const message = { id, sender: me.id, senderNick: me.nick, time, msg };
  await SEND[kind](target, message);
}

const SEND = {
  room: (chan, message) =>
    ask("/ws/send-channelmsg", {
      websocketId: me.id,
      channel: chan,
      message: JSON.stringify({ type: "chanmsg", chan, ...message }),
    }),

  all: (_, message) =>
    ask("/ws/send-broadcast", {
      message: JSON.stringify({ type: "broadcastmsg", ...message }),
    }),

  // The sender of a direct message hears its receipt only, so it is shown here.
  peer: async (receiver, message) => {
    receive(talkWith("peer", receiver), message, "sending");
    const line = lineOf(message.id);
    try {
      await ask("/ws/send-msg", {
        senderWebsocketId: me.id,
        receiveWebsocketId: receiver,
        message: JSON.stringify({ type: "msg", receiver, ...message }),
        isReceipt: true,
      });
      // The receipt may have been faster.
      if (line.receipt === "sending") mark(line, "sent");
    } catch (error) {
      mark(line, "not sent");
      throw error;
    }
  },
};

// Messages in: what people write is JSON inside JSON, as in FreeIM's C# sample. What the
// WebApi or the relay says is an object, and no text can pass itself off as one.

function onMessage(value) {
  if (typeof value === "string") {
    const message = JSON.parse(value);
    FROM_PEOPLE.get(message.type)?.(message);
  } else if (value.receipt) {
    onReceipt(value);
  } else if (value.type === "changed") {
    refresh();
  }
}

const FROM_PEOPLE = new Map([
  ["chanmsg", (message) => receive(talkWith("room", message.chan), message)],
  ["broadcastmsg", (message) => receive(talkWith("all"), message)],
  [
    "msg",
    (message) => {
      const { sender, receiver } = message;
      receive(talkWith("peer", sender === me.id ? receiver : sender), message);
    },
  ],
]);

function receive(talk, { id, sender, senderNick, time, msg }, receipt = "") {
  const nick = senderNick || nickOf(sender);
  nicks.set(sender, nick);
  const welcome = msg.type === "welcome";
  const line = {
    id: id ?? `${sender}-${time}`,
    kind: welcome ? "note" : "text",
    mine: sender === me.id,
    text: welcome ? `${nick} came in` : msg.content,
    ...{ sender, nick, time, receipt },
  };
  if (!addLine(talk, line)) return;
  if (talk === current) view.appendLine(line);
  else if (!welcome) talk.unread += 1;
  render();
}

function onReceipt({ content, receipt }) {
  const line = lineOf(JSON.parse(JSON.parse(content)).id);
  if (line) mark(line, receipt === DELIVERED ? "delivered" : "offline");
}

function mark(line, receipt) {
  line.receipt = receipt;
  view.renderReceipt(line);
}

// The page

function nickOf(id) {
  return (id === me.id && me.nick) || nicks.get(id) || `#${id}`;
}

function render() {
  const ids = new Set([...online, ...peersWrittenWith()]);
  if (current.kind === "peer") ids.add(current.target);
  const people = [...ids]
    .map((id) => ({ id, nick: nickOf(id), online: online.includes(id) }))
    .sort((a, b) => (b.id === me.id) - (a.id === me.id) || a.nick.localeCompare(b.nick));
  view.render({ me, current, headCounts, people });
}

function show(talk) {
  current = talk;
  talk.unread = 0;
  document.body.dataset.pane = "talk";
  view.renderLines(talk);
  render();
}

// Makes an event handler of something that may fail: the page then says why.
function trying(action) {
  return async (event) => {
    event?.preventDefault();
    view.renderProblem("");
    try {
      await action(event);
    } catch (error) {
      const refused = error instanceof Refused;
      view.renderProblem(
        refused ? error.message : "The WebApi does not answer, try again.",
      );
    }
  };
}

function keyAt(event) {
  return event.target.closest("li")?.dataset.key;
}

$("rooms").onclick = trying(async (event) => {
  const talk = talkOf(keyAt(event));
  if (talk?.kind === "all") show(talk);
  else if (talk) await enterRoom(talk.target);
});

$("people").onclick = trying(async (event) => {
  const talk = talkOf(keyAt(event));
  if (event.target.closest(".kick")) {
    await ask("/ws/offline", { websocketId: talk.target });
  } else if (event.target.closest(".pick")) {
    show(talk);
  }
});

$("new-room").onsubmit = trying(async ({ target }) => {
  const name = target.room.value.trim();
  if (name) await enterRoom(name);
  target.reset();
});

$("composer").onsubmit = trying(async ({ target }) => {
  const content = target.text.value.trim();
  if (!content) return;
  target.reset();
  try {
    await send(current, { type: "text", content });
  } catch (error) {
    target.text.value = content;
    throw error;
  }
});

$("nick-form").onsubmit = trying(async ({ target }) => {
  const nick = target.nick.value.trim();
  if (!nick) return;
  const isNew = !me.nick;
  me.nick = nick;
  saveMe();
  $("nick-dialog").close();
  render();
  if (isNew) start();
  else await ask("/ws/rename", { websocketId: me.id, nick });
});

$("me").onclick = askNick;
$("leave").onclick = trying(() => leaveRoom(current.target));
$("reconnect").onclick = () => connection.open();
$("back").onclick = () => {
  document.body.dataset.pane = "list";
};
$("nick-dialog").onclose = () => {
  if (!me.nick) askNick();
};

function askNick() {
  $("nick-form").nick.value = me.nick;
  $("nick-dialog").showModal();
}

function start() {
  if (!me.rooms.length) me.rooms.push(FIRST_ROOM);
  show(talkWith("room", me.rooms[0]));
  connection.open();
}

if (me.nick) start();
else askNick();
