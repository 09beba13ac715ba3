// The page: signs in, connects, and lets the parts know of each other.

import { Chat } from "./chat.js";
import { askFor, showMembers } from "./dialogs.js";
import { $, h, icon } from "./dom.js";
import { Drawing } from "./drawing.js";
import { FreeIM, Refused } from "./freeim.js";
import { Head, renderMe } from "./head.js";
import { Journeys } from "./journeys.js";
import { Log } from "./log.js";
import { applyLooks } from "./looks.js";
import { Sidebar } from "./sidebar.js";
import { has, t } from "./texts.js";
import { Transfers } from "./transfers.js";
import { get, post, Refusal } from "./webapi.js";

const narrow = matchMedia("(max-width: 46rem)");
let chat = null;

// The connection: the part to copy.

const im = new FreeIM(async () => {
  try {
    const answer = await post("/api/connect");
    drawing.setMyNode(answer.node);
    return answer;
  } catch (error) {
    // 401 and 403 say the same the next time.
    const isFinal = error instanceof Refusal && error.status < 404 && error.status > 400;
    throw isFinal ? new Refused(explain(error)) : error;
  }
});
im.onmessage = (push) => chat.onPush(push);
im.onstate = (state, detail) => {
  renderMe(chat.me, state);
  drawing.setSocket(state === "open" ? detail.since : null);
  $("closed").hidden = state !== "closed" || chat.leaving;
  if (state === "closed") $("closed-reason").textContent = whyClosed(detail);
  if (state !== "open") return;
  chat.kickedBy = null;
  chat.outbox.hurry();
  // If the WebApi is away, it rings the bell of this page when it is back.
  chat.catchUp().catch(() => {});
};

function whyClosed({ code, reason }) {
  if (code === 4410 && chat.kickedBy) return t("closed_4410_by", { by: chat.kickedBy });
  if (has(`closed_${code}`)) return t(`closed_${code}`);
  return code ? t("closed", { code }) : reason;
}

// What the parts show, and when

const log = new Log(() => trying(() => chat.loadOlder()));
const sidebar = new Sidebar((to) => pick(to));
const drawing = new Drawing($("drawing"), () => trying(() => post("/api/restart")));
const journeys = new Journeys(drawing);
const head = new Head({
  join: (name) => trying(() => chat.join(name)),
  leave: (name) => trying(() => chat.leave(name)),
  friend: (action, id) => trying(() => chat.friend(action, id)),
  kick: (id) => trying(() => post("/api/kick", { id })),
  members: (name) =>
    trying(async () => showMembers(name, (await get("/api/rooms/members", { name })).members)),
});
const transfers = new Transfers({
  onStored: (message) => chat.take(message),
  isHere: (user) => chat.current?.to.user === user,
  explain,
});

const view = {
  lists() {
    sidebar.render(chat);
    drawing.setPeople(chat.people);
  },
  talk(how) {
    log.render(chat.current, chat.me, how);
    if (how?.fresh) this.gate();
  },
  gate() {
    if (!chat.current) return;
    head.render(chat);
    transfers.show(chat.current.to.user);
  },
  isShown(talk) {
    const onScreen = !narrow.matches || document.body.dataset.screen === "talk";
    return talk === chat.current && onScreen && !document.hidden;
  },
  arrived: (talk, message) => transfers.arrived(message),
  incoming: (push) => transfers.incoming(push),
  broadcast({ text, from }) {
    const close = { type: "button", title: t("close"), "aria-label": t("close") };
    const notice = h(
      "div.notice",
      {},
      icon("megaphone"),
      h("span", {}, h("strong", {}, t("broadcastFrom", { name: from.name })), " ", h("span.text", {}, text)),
      h("button.tool", { ...close, onclick: () => notice.remove() }, icon("close")),
    );
    $("notices").append(notice);
  },
};

function explain(error) {
  if (!(error instanceof Refusal)) return t("away");
  return has(`error_${error.code}`) ? t(`error_${error.code}`) : error.message;
}

async function trying(action) {
  $("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    $("problem").textContent = explain(error);
    $("problem").hidden = false;
  }
}

function pick(to) {
  if (chat.current) chat.current.draft = $("composer-text").value;
  document.body.dataset.screen = "talk";
  const shown = trying(() => chat.show(to));
  $("composer-text").value = chat.current.draft;
  grow();
  // On a phone the keyboard would hide the conversation.
  if (!narrow.matches && !$("composer").hidden) $("composer-text").focus();
  return shown;
}

// Writing

function grow() {
  const text = $("composer-text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight + 2, 160)}px`;
}

$("composer-text").oninput = grow;
$("composer-text").onkeydown = (event) => {
  // An input method ends a word with Enter, too.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
};
$("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("composer-text").value.trim();
  if (!text) return;
  $("composer-text").value = "";
  grow();
  chat.say(text);
};
$("attach").onclick = () => $("file").click();
$("file").onchange = ({ target }) => {
  for (const file of target.files) transfers.send(file, chat.current.to.user);
  target.value = "";
};

// The other buttons

$("back").onclick = () => {
  document.body.dataset.screen = "list";
  document.querySelector(".pick[aria-current=true]")?.focus();
};
$("reconnect").onclick = () => im.open();
$("drawing-toggle").onclick = () => {
  const isOpen = drawing.toggle();
  $("drawing-toggle").setAttribute("aria-expanded", String(isOpen));
};
$("new-room").onclick = () => {
  const fields = [
    { name: "name", label: t("roomName"), max: 40, required: true },
    { name: "topic", label: t("topic"), max: 120 },
  ];
  const create = ({ name, topic }) => chat.createRoom(name.trim(), topic.trim());
  const enter = async (values) => {
    await create(values);
    document.body.dataset.screen = "talk";
  };
  askFor(t("newRoom"), fields, t("create"), enter, explain);
};
$("broadcast").onclick = () => {
  const fields = [{ name: "text", label: t("message"), max: 2000, required: true }];
  askFor(t("broadcast"), fields, t("send"), (values) => post("/api/broadcast", values), explain);
};
$("sign-out").onclick = () =>
  trying(async () => {
    await post("/api/sign-out");
    location.reload();
  });
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !chat) return;
  if (chat.current) chat.markRead(chat.current);
  // A relay that loses Redis for a moment loses messages, and no socket.
  if (im.state === "open") chat.catchUp().catch(() => {});
});

// Signing in

$("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  try {
    const { me } = await post("/api/sign-in", { name: event.target.elements.name.value });
    start(me);
  } catch (error) {
    $("sign-in-problem").textContent = explain(error);
    $("sign-in-problem").hidden = false;
  }
};

async function start(me) {
  $("welcome").hidden = true;
  $("app").hidden = false;
  $("broadcast").hidden = !me.admin;
  chat = new Chat(me, view, journeys);
  renderMe(me, "connecting");
  drawing.setMe(me);
  await trying(() => chat.start());
  const first = [...chat.rooms.values()].find((room) => room.joined);
  if (first) {
    await trying(() => chat.show({ room: first.name }));
    if (!narrow.matches) $("composer-text").focus();
  }
  im.open();
}

const ICONS = {
  ...{ broadcast: "megaphone", "sign-out": "leave", "new-room": "plus", back: "back" },
  ...{ attach: "attach", "drawing-toggle": "drawing" },
};
for (const [id, name] of Object.entries(ICONS)) $(id).replaceChildren(icon(name));
$("drawing-toggle").append(h("span", { "data-t": "drawing" }));
document.querySelector(".send").replaceChildren(icon("send"));
$("empty").append(h("strong", { "data-t": "emptyTalk" }), h("span", { "data-t": "emptyTalkHint" }));
applyLooks(() => {
  if (!chat) return;
  renderMe(chat.me, im.state);
  for (const list of [$("rooms"), $("people")]) list.replaceChildren();
  view.lists();
  drawing.render();
  if (chat.current) view.talk({ fresh: true });
});

// Not signed in, or no WebApi: in both cases there is one thing to do.
const known = await get("/api/me").catch(() => null);
if (known) start(known.me);
else {
  $("welcome").hidden = false;
  $("sign-in").elements.name.focus();
}
