// The list at the left: rooms and people, with head counts, unread counts and presence.

import { $, avatar, h, hidden, icon, keep, keepRoving, rove } from "./dom.js";
import { t } from "./texts.js";

export class Sidebar {
  constructor(onPick) {
    for (const list of [$("rooms"), $("people")]) {
      rove(list);
      list.addEventListener("click", ({ target }) => {
        const pick = target.closest(".pick");
        if (pick) onPick(JSON.parse(pick.dataset.to));
      });
    }
  }

  render(chat) {
    const rooms = [...chat.rooms.values()].sort(
      (a, b) => b.joined - a.joined || a.name.localeCompare(b.name),
    );
    const people = [...chat.people.values()].sort(byRelation);
    keep($("rooms"), rooms, ({ name }) => name, makeRow, (row, room) => {
      const count = hasCount(room.online);
      update(row, { room: room.name }, chat, {
        face: h("span.glyph", { "aria-hidden": "true" }, "#"),
        name: room.name,
        line: room.topic,
        end: count,
        dim: !room.joined,
      });
    });
    keep($("people"), people, ({ id }) => id, makeRow, (row, person) => {
      update(row, { user: person.id }, chat, {
        face: face(person),
        name: person.name,
        line: person.friend === "asks" ? t("wantsYou") : "",
        end: null,
        dim: !person.online,
      });
    });
    for (const list of [$("rooms"), $("people")]) keepRoving(list);
    $("nobody").hidden = people.length > 0;
    const online = people.filter((person) => person.online).length;
    $("online-count").textContent = people.length ? t("here", { n: online }) : "";
    const unread = [...chat.talks].reduce((sum, talk) => sum + talk.unread, 0);
    document.title = unread ? `(${unread}) FreeIM` : "FreeIM";
  }
}

const ORDER = { asks: 0, yes: 1, asked: 2, none: 3 };

function byRelation(a, b) {
  return (
    (a.friend === "asks" ? 0 : 1) - (b.friend === "asks" ? 0 : 1) ||
    b.online - a.online ||
    ORDER[a.friend] - ORDER[b.friend] ||
    a.name.localeCompare(b.name)
  );
}

export function face({ name, online }) {
  const dot = h("span.dot", { "aria-hidden": "true", "data-online": String(online) });
  return h("span.face", {}, avatar(name), dot, hidden(t(online ? "online" : "offline")));
}

function hasCount(number) {
  return h("span.count", { title: t("here", { n: number }) }, icon("people"), String(number));
}

function makeRow() {
  return h("li.row", {}, h("button.pick", { type: "button" }));
}

// A row is drawn anew only if it looks different, so that nothing flickers.
function update(row, to, chat, { face, name, line, end, dim }) {
  const { unread } = chat.talks.with(to);
  const isCurrent = chat.current === chat.talks.with(to);
  const pick = row.firstElementChild;
  pick.setAttribute("aria-current", String(isCurrent));
  pick.dataset.to = JSON.stringify(to);
  const looks = [face.outerHTML, name, line, end?.textContent, dim, unread].join("\n");
  if (row.looks === looks) return;
  row.looks = looks;
  pick.classList.toggle("dim", dim && !unread);
  const badge = unread
    ? h("span.unread", {}, h("span", {}, String(unread)))
    : null;
  badge?.setAttribute("title", t("unread", { n: unread }));
  pick.replaceChildren(
    face,
    h("span.words", {}, h("span.name", {}, name), line ? h("span.line", {}, line) : ""),
    ...[end, badge].filter(Boolean),
  );
}
