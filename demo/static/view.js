// What the page shows. Nobody's text ever becomes markup: only textContent is set.

import { talkWith } from "./talks.js";

export const $ = (id) => document.getElementById(id);

const STATES = {
  connecting: () => "connecting…",
  open: () => "online",
  waiting: ({ seconds }) => `offline, next try in ${Math.ceil(seconds)} s`,
  closed: () => "disconnected",
};

export function renderState(state, detail) {
  document.body.dataset.state = state;
  $("state").textContent = STATES[state](detail);
  $("closed").hidden = state !== "closed";
  $("closed-reason").textContent = state === "closed" ? detail.reason : "";
}

export function renderProblem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

// `world` is { me, current, headCounts: room -> number, people: [{ id, nick, online }] }.
export function render(world) {
  const { me, current, headCounts, people } = world;
  const online = people.filter((person) => person.online);
  const names = [...new Set([...me.rooms, ...headCounts.keys()])].sort();
  const rooms = [talkWith("all"), ...names.map((name) => talkWith("room", name))];
  const heads = ({ kind, target }) =>
    kind === "all" ? online.length : headCounts.get(target) ?? 0;

  $("me").textContent = me.nick;
  $("me").hidden = !me.nick;
  $("online-count").textContent = online.length;
  syncList($("rooms"), "room-item", rooms, (item, room) => {
    const inside = room.kind === "all" || me.rooms.includes(room.target);
    renderTalk(item, room, room === current, nameOf(room, people));
    item.classList.toggle("outside", !inside);
    item.querySelector(".glyph").textContent = room.kind === "all" ? "∗" : "#";
    item.querySelector(".count").textContent = heads(room);
  });
  const talks = people.map(({ id }) => talkWith("peer", id));
  syncList($("people"), "person-item", talks, (item, talk) => {
    const { id, nick, online } = people.find((person) => person.id === talk.target);
    const name = id === me.id ? `${nick} (you)` : nick;
    renderTalk(item, talk, talk === current, name);
    item.classList.toggle("outside", !online);
    item.querySelector(".pick").disabled = id === me.id;
    item.querySelector(".kick").hidden = id === me.id || !online;
    paintAvatar(item.querySelector(".avatar"), id, nick);
  });
  renderHead(world);
}

function renderTalk(item, talk, chosen, name) {
  item.querySelector(".name").textContent = name;
  item.querySelector(".unread").textContent = talk.unread;
  item.querySelector(".unread").hidden = talk.unread === 0;
  item.querySelector(".pick").setAttribute("aria-current", chosen);
}

function renderHead({ me, current, people }) {
  const { kind, target } = current;
  const peer = people.find(({ id }) => kind === "peer" && id === target);
  const hints = { all: "reaches everybody who is online", room: "room" };
  $("talk-name").textContent = nameOf(current, people);
  $("talk-hint").textContent =
    hints[kind] ?? (peer.online ? "direct message" : "offline");
  $("leave").hidden = !(kind === "room" && me.rooms.includes(target));
}

function nameOf({ kind, target }, people) {
  if (kind === "all") return "Everyone";
  return kind === "room" ? target : people.find(({ id }) => id === target).nick;
}

// Elements stay with their keys, so that focus and half a click survive a change.
function syncList(list, template, talks, update) {
  const old = new Map([...list.children].map((item) => [item.dataset.key, item]));
  talks.forEach((talk, index) => {
    const item = old.get(talk.key) ?? clone(template);
    old.delete(talk.key);
    item.dataset.key = talk.key;
    update(item, talk);
    const there = list.children[index];
    if (there !== item) list.insertBefore(item, there ?? null);
  });
  old.forEach((item) => item.remove());
}

export function renderLines(talk) {
  $("messages").replaceChildren(...talk.lines.map(lineElement));
  scrollDown();
}

export function appendLine(line) {
  $("messages").append(lineElement(line));
  scrollDown();
}

export function renderReceipt(line) {
  const item = [...$("messages").children].find(({ dataset }) => dataset.id === line.id);
  item?.replaceWith(lineElement(line));
}

function lineElement(line) {
  const item = clone("message-item");
  const part = (name) => item.querySelector(name);
  const time = new Date(line.time);
  item.dataset.id = line.id;
  item.classList.toggle("note", line.kind === "note");
  item.classList.toggle("mine", line.mine);
  paintAvatar(part(".avatar"), line.sender, line.nick);
  part(".who").textContent = line.nick;
  part("time").textContent = time.toLocaleTimeString([], { timeStyle: "short" });
  part(".receipt").textContent = line.receipt;
  part(".receipt").dataset.receipt = line.receipt;
  part(".text").textContent = line.text;
  return item;
}

function paintAvatar(element, id, nick) {
  element.textContent = [...nick.replace("#", "")][0]?.toUpperCase();
  element.style.setProperty("--hue", (id * 137) % 360);
}

function clone(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function scrollDown() {
  $("messages").scrollTop = $("messages").scrollHeight;
}
