// The head of a conversation, and the gate where one may not write yet.

import { $, avatar, h, icon } from "./dom.js";
import { face } from "./sidebar.js";
import { t } from "./texts.js";

export class Head {
  // actions: join, leave, friend, kick, members
  constructor(actions) {
    this.actions = actions;
  }

  render(chat) {
    const { to } = chat.current;
    const decided = to.room === undefined ? this.#person(chat, to) : this.#room(chat, to);
    $("talk-face").replaceChildren(decided.face);
    $("talk-name").textContent = decided.name;
    $("talk-hint").textContent = decided.hint;
    const looks = decided.tools.map(({ label }) => label).join();
    if ($("talk-tools").dataset.looks !== looks) {
      $("talk-tools").dataset.looks = looks;
      $("talk-tools").replaceChildren(...decided.tools.map(tool));
    }
    this.#gate(decided.gate);
    $("attach").hidden = to.room !== undefined;
    $("composer-text").placeholder = t("writeTo", { name: decided.name });
  }

  #room(chat, { room: name }) {
    const room = chat.rooms.get(name) ?? { name, topic: "", members: 0, online: 0 };
    const { join, leave, members } = this.actions;
    const counts = [t("members", { n: room.members }), t("here", { n: room.online })];
    const joined = [
      { icon: "people", label: t("membersOf", { name }), run: () => members(name) },
      { icon: "leave", label: t("leave"), run: () => leave(name) },
    ];
    return {
      face: h("span.glyph.big", { "aria-hidden": "true" }, "#"),
      name,
      hint: [room.topic, ...counts].filter(Boolean).join(" · "),
      tools: room.joined ? joined : [],
      gate: room.joined
        ? null
        : { text: t("joinHint"), buttons: [[t("join"), () => join(name), "main"]] },
    };
  }

  #person(chat, { user: id }) {
    const person = chat.people.get(id) ?? { id, name: `#${id}`, friend: "none" };
    const { friend, kick } = this.actions;
    const { name } = person;
    const tools = [];
    if (chat.me.admin && person.online) {
      tools.push({ icon: "kick", label: t("kick"), run: () => kick(id) });
    }
    if (person.friend === "yes") {
      tools.push({ icon: "unfriend", label: t("unfriend"), run: () => friend("remove", id) });
    }
    const gates = {
      yes: null,
      none: { text: t("askHint", { name }), buttons: [[t("ask"), () => friend("ask", id), "main"]] },
      asked: {
        text: t("asked", { name }),
        buttons: [[t("cancel"), () => friend("remove", id), "quiet"]],
      },
      asks: {
        text: t("asks", { name }),
        buttons: [
          [t("accept"), () => friend("accept", id), "main"],
          [t("decline"), () => friend("remove", id), "quiet"],
        ],
      },
    };
    const hint = t(person.online ? "online" : "offline");
    return { face: face(person), name, hint, tools, gate: gates[person.friend] };
  }

  #gate(gate) {
    $("gate").hidden = !gate;
    $("composer").hidden = Boolean(gate);
    const looks = gate ? gate.text + gate.buttons.map(([label]) => label) : "";
    if ($("gate").dataset.looks === looks) return;
    $("gate").dataset.looks = looks;
    if (!gate) return $("gate").replaceChildren();
    $("gate").replaceChildren(
      h("p", {}, gate.text),
      ...gate.buttons.map(([label, onclick, kind]) =>
        h(`button.${kind}`, { type: "button", onclick }, label),
      ),
    );
  }
}

function tool({ icon: name, label, run }) {
  const properties = { type: "button", title: label, onclick: run };
  return h("button.tool", { ...properties, "aria-label": label }, icon(name));
}

export function renderMe(me, link) {
  const state = h("span.state", { id: "state", role: "status" });
  if (!$("state")) {
    $("me").replaceChildren(
      avatar(me.name),
      h("span.words", {}, h("span.name", {}, me.name), state),
    );
  }
  document.body.dataset.state = link;
  $("state").textContent = t(`state_${link}`);
}
