// The architecture, live: browser, WebApi, Redis, relay nodes, browsers; who is at which
// node; and each message of mine on its way.

import { h, icon, initials, s, tintOf } from "./dom.js";
import { planFor } from "./plan.js";
import { duration, t } from "./texts.js";
import { get } from "./webapi.js";

const LOOK_EVERY = 2000; // milliseconds
const STEP = 420; // milliseconds that a light needs for one line
const NARROW = 560; // pixels

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Drawing {
  #me = { id: 0, name: "" };
  #myNode = null;
  #since = null;
  #nodes = [];
  #people = [];
  #webapi = null;
  #timers = [];
  #way = Promise.resolve();
  #looks = "";

  constructor(section, onRestart) {
    this.section = section;
    this.svg = s("svg", { role: "img", class: "plan" });
    this.steps = h("ol.steps");
    this.news = h("p.soft.news", { role: "status" });
    this.button = h("button.quiet.restart", { type: "button" });
    this.button.onclick = async () => {
      this.button.disabled = true;
      this.news.textContent = t("restarting");
      await onRestart();
    };
    section.append(this.svg, h("div.drawing-foot", {}, this.steps, this.news, this.button));
    new ResizeObserver(() => this.render()).observe(section);
  }

  // Returns whether it is shown now.
  toggle() {
    this.section.hidden = !this.section.hidden;
    this.#timers.forEach(clearInterval);
    this.#timers = [];
    if (this.section.hidden) return false;
    this.#look();
    this.#timers = [
      setInterval(() => this.#look(), LOOK_EVERY),
      setInterval(() => this.#count(), 1000),
    ];
    this.render();
    return true;
  }

  setMe(me) {
    this.#me = me;
    this.render();
  }

  setMyNode(node) {
    this.#myNode = node;
    this.render();
  }

  setSocket(since) {
    this.#since = since;
    this.render();
  }

  setPeople(people) {
    this.#people = [...people.values()].filter(({ online }) => online);
    this.render();
  }

  async #look() {
    try {
      const { nodes, webapi } = await get("/api/nodes");
      const isNew = this.#webapi && this.#webapi.pid !== webapi.pid;
      this.#nodes = nodes;
      this.#webapi = webapi;
      this.button.disabled = false;
      if (isNew) this.news.textContent = t("restarted", { pid: webapi.pid });
    } catch {
      // It restarts; the next look finds it.
      this.section.dataset.away = "true";
      return;
    }
    delete this.section.dataset.away;
    this.render();
  }

  render() {
    if (this.section.hidden) return;
    this.button.replaceChildren(icon("restart"), t("restart"));
    const isTall = this.section.clientWidth < NARROW;
    const plan = planFor(isTall, this.#nodes, this.#people, this.#myNode);
    const who = this.#people.map(({ id, name }) => `${id} ${name}`).join();
    const looks = JSON.stringify([plan.lines, who, this.#me, t("webapi")]);
    if (looks !== this.#looks) {
      this.#looks = looks;
      this.#draw(plan);
    }
    this.#count();
  }

  #draw(plan) {
    this.svg.setAttribute("viewBox", `0 0 ${plan.size.join(" ")}`);
    this.svg.setAttribute("aria-label", `${t("drawing")}. ${t("drawingHint")}`);
    const lines = Object.entries(plan.lines).map(([name, d]) =>
      s("path", { class: "wire", "data-line": name, d }),
    );
    this.lights = s("g");
    const parts = [
      box(plan.me, "me", t("browser"), this.#me.name),
      box(plan.webapi, "webapi", t("webapi"), ""),
      box(plan.redis, "redis", t("redis"), "pub/sub"),
      ...plan.nodes.flatMap(({ name, box: at, guests, more }) => [
        box(at, `node ${name}`, t("relay"), name),
        ...guests.map(guest),
        ...(more > 0 ? [moreAt(guests.at(-1).at, more)] : []),
      ]),
    ];
    this.svg.replaceChildren(...lines, this.lights, ...parts);
    const tags = s("text", { class: "tag socket", x: plan.me[0], y: plan.size[1] - 6 });
    this.svg.append(tags);
  }

  // The figures that go on by themselves.
  #count() {
    const now = Date.now();
    const set = (selector, text) => {
      const element = this.svg.querySelector(selector);
      if (element) element.textContent = text;
    };
    set(
      ".socket",
      this.#since ? t("socket", { time: duration(now - this.#since) }) : t("noSocket"),
    );
    if (this.#webapi) {
      const { pid, started } = this.#webapi;
      set("[data-part=webapi] .small", `${t("process", { pid })}`);
      set("[data-part=webapi] .smaller", t("up", { time: duration(now - started) }));
    }
    for (const { id, since } of this.#people) {
      set(`[data-guest="${id}"] .small`, since ? duration(now - since) : "");
    }
  }

  // Lights up a step after those that were asked for before.
  show(step, { to = {}, from = 0 } = {}) {
    if (this.section.hidden) return;
    this.#way = this.#way.then(() => this.#light(step, to, from));
  }

  time(step, milliseconds) {
    this.pending = { ...this.pending, [step]: `${Math.round(milliseconds)} ms` };
    const item = this.steps.querySelector(`[data-step=${step}] b`);
    if (item) item.textContent = this.pending[step];
  }

  async #light(step, to, from) {
    if (step === "request") {
      this.steps.replaceChildren();
      this.pending = {};
    }
    this.steps.querySelector(`[data-step=${step}]`)?.remove();
    const took = h("b", {}, this.pending?.[step] ?? "");
    this.steps.append(h("li", { "data-step": step }, `${t(`step_${step}`)} `, took));
    for (const together of this.#wayOf(step, to, from)) {
      await Promise.all(together.map(([line, back]) => this.#run(line, back)));
    }
  }

  // The lines of a step, those of one list at the same time; true: against its direction.
  #wayOf(step, to, from) {
    const nodeOf = (id) => this.#people.find((person) => person.id === id)?.node;
    const messages = to.room === undefined ? [nodeOf(to.user)] : this.#nodes;
    const guests = to.room === undefined ? [to.user] : this.#people.map(({ id }) => id);
    const sender = from ? [[[`message ${this.#myNode}`]], [["socket"]]] : [];
    return {
      request: [[["request"]]],
      publish: [[["publish"]], messages.map((node) => [`message ${node}`])],
      push: [guests.map((id) => [`push ${id}`])],
      receipt: [
        [[`message ${nodeOf(to.user)}`, true]],
        [[`message ${this.#myNode}`]],
        [["socket"]],
      ],
      received: sender,
    }[step];
  }

  async #run(name, back = false) {
    const line = this.svg.querySelector(`[data-line="${CSS.escape(name)}"]`);
    if (!line) return;
    line.classList.add("lit");
    if (still.matches || document.hidden) {
      await new Promise((resolve) => setTimeout(resolve, STEP));
    } else {
      const light = s("circle", { class: "light", r: 6 });
      light.style.offsetPath = `path("${line.getAttribute("d")}")`;
      this.lights.append(light);
      const ends = back ? ["100%", "0%"] : ["0%", "100%"];
      const frames = ends.map((offsetDistance) => ({ offsetDistance }));
      await light.animate(frames, { duration: STEP, easing: "ease-in-out" }).finished;
      light.remove();
    }
    line.classList.remove("lit");
  }
}

function box([x, y, width, height], part, title, text) {
  const middle = x + width / 2;
  const group = s("g", { class: "part", "data-part": part });
  const line = (kind, at, words) =>
    s("text", { class: kind, x: middle, y: y + height / 2 + at }, words);
  group.append(
    s("rect", { x, y, width, height, rx: 14 }),
    line("title", -10, title),
    line("small", 10, text),
    line("smaller", 27, ""),
  );
  return group;
}

function guest({ person, at: [x, y] }) {
  const group = s("g", { class: "guest", "data-guest": person.id });
  const tint = { "data-tint": tintOf(person.name) };
  group.append(
    s("circle", { cx: x, cy: y, r: 11, ...tint }),
    s("text", { class: "letters", x, y: y + 3.5 }, initials(person.name)),
    s("text", { class: "name", x: x + 17, y: y - 1 }, short(person.name)),
    s("text", { class: "small", x: x + 17, y: y + 10 }),
  );
  return group;
}

function moreAt([x, y], count) {
  return s("text", { class: "tag", x: x - 8, y: y + 28 }, `+ ${count}`);
}

function short(name) {
  const letters = [...name];
  return letters.length > 9 ? `${letters.slice(0, 8).join("")}…` : name;
}
