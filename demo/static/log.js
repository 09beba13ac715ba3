// The conversation in the middle: messages by id, then mine that are still on their way.

import { $, avatar, h, hidden, icon, keep } from "./dom.js";
import { clock, day, size, t } from "./texts.js";

const TOGETHER = 5 * 60_000; // milliseconds: messages that share one byline
const NEAR_END = 80; // pixels

export class Log {
  #element = $("scroll");
  #atEnd = true;

  constructor(onOlder) {
    const log = this.#element;
    log.addEventListener("scroll", () => {
      this.#atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
      if (log.scrollTop < 40) onOlder();
    });
    // A keyboard or the drawing that takes room must not hide the newest message.
    new ResizeObserver(() => {
      if (this.#atEnd) log.scrollTop = log.scrollHeight;
    }).observe(log);
    $("older").onclick = onOlder;
  }

  // fresh: another conversation; older: history came on top; toEnd: I wrote something.
  render(talk, me, { fresh = false, older = false, toEnd = false } = {}) {
    const log = this.#element;
    const fromEnd = log.scrollHeight - log.scrollTop;
    const atEnd = fromEnd - log.clientHeight < NEAR_END;
    // Old messages are not news for those who listen to the page.
    if (fresh || older) log.setAttribute("aria-live", "off");
    if (fresh) $("messages").replaceChildren();
    $("messages").dataset.kind = talk.to.room === undefined ? "user" : "room";
    const lines = linesOf(talk, me);
    keep($("messages"), lines, ({ key }) => key, makeLine, updateLine);
    $("older").hidden = !talk.loaded || !talk.more;
    $("empty").hidden = !talk.loaded || lines.length > 0;
    if (fresh || toEnd || (atEnd && !older)) log.scrollTop = log.scrollHeight;
    else if (older) log.scrollTop = log.scrollHeight - fromEnd;
    if (older && atEnd) log.scrollTop = log.scrollHeight;
    if (fresh || older) setTimeout(() => log.setAttribute("aria-live", "polite"), 100);
  }
}

// Decides what stands where, before anything is drawn.
function linesOf({ messages, pending, to }, me) {
  const lines = [];
  let before = null;
  const rows = [
    ...messages,
    ...pending.map((line) => ({ ...line, from: me, id: line.key })),
  ];
  for (const message of rows) {
    const date = day(message.at);
    if (!before || day(before.at) !== date) {
      lines.push({ key: `day-${message.id}`, date });
      before = null;
    }
    const isMine = message.from.id === me.id;
    const follows =
      before?.from.id === message.from.id && message.at - before.at < TOGETHER;
    const state = isMine && (to.user !== undefined || message.key === message.id);
    lines.push({
      key: `m-${message.id}`,
      message,
      isMine,
      follows,
      mark: state ? message.state : null,
    });
    before = message;
  }
  return lines;
}

function makeLine({ date, message, isMine }) {
  if (date) return h("li.day", {}, h("span", {}, date));
  const line = h(isMine ? "li.message.mine" : "li.message");
  line.append(
    isMine ? "" : avatar(message.from.name),
    h(
      "div.bubble",
      {},
      h("span.who", {}, message.from.name),
      body(message),
      h("span.foot", {}, h("time", {}, clock(message.at)), h("span.mark")),
    ),
  );
  return line;
}

function body({ text, file }) {
  if (!file) return h("span.text", {}, text);
  return h(
    "a.file",
    { href: `/api/files/${file.id}`, download: file.name },
    icon("file"),
    h("span", {}, h("span.text", {}, file.name), h("span.size", {}, size(file.size))),
  );
}

function updateLine(line, { date, follows, mark, message }) {
  if (date) return;
  line.classList.toggle("follows", follows);
  const slot = line.querySelector(".mark");
  if (slot.dataset.mark === (mark ?? undefined)) return;
  if (!mark) return;
  slot.dataset.mark = mark;
  const words = mark === "failed" ? `${t("marks_failed")}: ${message.error.message}` : t(`marks_${mark}`);
  const isPlain = mark === "failed" || mark === "offline";
  slot.replaceChildren(icon(mark), isPlain ? h("span", {}, words) : hidden(words));
  slot.title = words;
}
