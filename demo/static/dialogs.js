// The questions that the page asks in a dialog, and lists that it shows there.

import { $, h } from "./dom.js";
import { face } from "./sidebar.js";
import { t } from "./texts.js";

// fields: [{ name, label, max, required }]; `submit` gets their values and may throw.
export function askFor(title, fields, action, submit, explain) {
  const problem = h("p.problem", { role: "alert", hidden: true });
  const form = h(
    "form",
    {},
    h("h2", { id: "dialog-title" }, title),
    ...fields.map(({ name, label, max, required = false }) =>
      h("label", {}, h("span", {}, label), input(name, max, required)),
    ),
    problem,
    h("div.buttons", {}, closeButton(t("cancel")), h("button.main", { type: "submit" }, action)),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    // Not twice, if somebody is impatient.
    const button = form.querySelector(".main");
    button.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(form)));
      $("dialog").close();
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    } finally {
      button.disabled = false;
    }
  };
  open(form);
}

export function showMembers(name, members) {
  const rows = members.map((member) =>
    h("li.row", {}, face(member), h("span.name", {}, member.name)),
  );
  open(
    h("h2", { id: "dialog-title" }, t("membersOf", { name })),
    h("ul.list.members", {}, ...rows),
    h("div.buttons", {}, closeButton(t("close"))),
  );
}

function input(name, maxLength, required) {
  return h("input", { name, maxLength, required, autocomplete: "off" });
}

function closeButton(label) {
  return h("button.quiet", { type: "button", onclick: () => $("dialog").close() }, label);
}

function open(...content) {
  $("dialog").replaceChildren(...content);
  $("dialog").showModal();
}
