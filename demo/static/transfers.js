// Files on their way, in both directions: one row with a progress bar for each.

import { $, h, icon } from "./dom.js";
import { newKey } from "./outbox.js";
import { t } from "./texts.js";
import { upload } from "./webapi.js";

const GONE_AFTER = 8000; // milliseconds that a broken one stays to be read

export class Transfers {
  #rows = new Map();

  // onStored(message), explain(error), isHere(userId)
  constructor(handlers) {
    this.handlers = handlers;
  }

  async send(file, to) {
    const row = this.#row(newKey(), to);
    const show = (sent) => {
      const percent = percentOf(sent, file.size);
      row.show(t("uploading", { file: file.name, percent }), percent);
    };
    show(0);
    const query = { to, name: file.name, size: file.size, key: newKey() };
    const { done, cancel } = upload("/api/files", query, file, show);
    row.element.append(cancelButton(cancel));
    try {
      const { message } = await done;
      row.end();
      this.handlers.onStored(message);
    } catch (error) {
      const why = error.status ? ` ${this.handlers.explain(error)}` : "";
      row.break(t("uploadBroken", { file: file.name }) + why);
    }
  }

  incoming({ id, from, name, size, sent, status }) {
    const row = this.#rows.get(id) ?? this.#row(id, from.id);
    const percent = percentOf(sent, size);
    const what = { name: from.name, file: name, percent };
    if (status === "broken") row.break(t("brokenFile", what));
    else row.show(t("sendingFile", what), percent);
  }

  // The link is there, so the progress is no news any more.
  arrived({ file }) {
    if (file) this.#rows.get(file.id)?.end();
  }

  // Shows the rows of the conversation with that user.
  show(user) {
    for (const row of this.#rows.values()) row.element.hidden = row.user !== user;
  }

  #row(id, user) {
    const words = h("span.transfer-words");
    const bar = h("progress", { max: 100, value: 0 });
    const element = h("li.transfer", {}, icon("file"), words, bar);
    const end = () => {
      element.remove();
      this.#rows.delete(id);
    };
    const row = {
      ...{ element, user, end },
      show(text, percent) {
        words.textContent = text;
        bar.value = percent;
        bar.setAttribute("aria-label", text);
      },
      break(text) {
        words.textContent = text;
        words.setAttribute("role", "alert");
        element.classList.add("broken");
        bar.remove();
        element.querySelector("button")?.remove();
        setTimeout(end, GONE_AFTER);
      },
    };
    element.hidden = !this.handlers.isHere(user);
    this.#rows.set(id, row);
    $("transfers").append(element);
    return row;
  }
}

function percentOf(sent, size) {
  return size ? Math.floor((100 * sent) / size) : 0;
}

function cancelButton(cancel) {
  const label = t("cancel");
  const properties = { type: "button", title: label, onclick: cancel };
  return h("button.tool", { ...properties, "aria-label": label }, icon("close"));
}
