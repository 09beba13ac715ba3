// A FreeIM connection that keeps itself up. No dependencies: copy this file.
//
//     import { FreeIM, Refused } from "./freeim.js";
//
//     const im = new FreeIM(async () => {
//       const answer = await fetch("/api/connect", { method: "POST" });
//       if (answer.status === 403) throw new Refused("You may not come in.");
//       return answer.json();             // { url } or { url, protocols }
//     });
//     im.onmessage = (message) => {};     // parsed from JSON
//     im.onstate = (state, detail) => {}; // see below
//     im.open();
//
// Each attempt asks the WebApi for a new address, because a token admits one socket.
// Whatever was sent while the state was not "open" never comes by itself: ask the WebApi
// for what you missed whenever it becomes "open".
//
//     "connecting"
//     "open"       { since }          milliseconds since 1970
//     "waiting"    { seconds, code }  until the next attempt, and what ended the last one
//     "closed"     { code, reason }   nothing happens any more until open() is called

// The function that gives the address throws this if asking again would be no use.
export class Refused extends Error {}

const FIRST_PAUSE = 1; // seconds: the longest that the first pause can be
const LONGEST_PAUSE = 30;
const STEADY_AFTER = 10; // a socket of this age makes the next pause short again
const OPEN_WITHIN = 15; // for the address and the handshake together
const TICK = 5;
const SLEPT_AFTER = 75; // hidden pages hear their timers once in 60 seconds
const BAD_ADDRESS = ["SyntaxError", "SecurityError"];

// The relay says by the code's range, never by its text, whether to come back. Codes that
// are not its own (1005, 1006: the network, a proxy, an HTTP status) are never final.
export function isFinal(code) {
  return (
    code === 1000 ||
    code === 1002 ||
    (code >= 1007 && code <= 1009) ||
    (code >= 4400 && code <= 4499)
  );
}

// Exponential with full jitter: thousands of pages must not come back in one moment.
export function pauseBefore(attempt, random = Math.random()) {
  return random * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
}

export class FreeIM {
  onmessage = () => {};
  onstate = () => {};
  state = "closed";
  #address;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #since = Infinity;
  #tickedAt = 0;
  // Counts attempts: whatever belongs to an earlier one is nobody's any more.
  #life = 0;

  constructor(address) {
    this.#address = address;
    const hurry = () => this.state === "waiting" && this.#again();
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", () => document.hidden || hurry());
    // A network that is gone ends no socket, and a page can send no ping.
    addEventListener("offline", () => this.state === "open" && this.#lose(1006));
    setInterval(() => this.#tick(Date.now()), TICK * 1000);
  }

  open() {
    this.#again();
  }

  close() {
    this.#drop();
    this.#tell("closed", { code: 1000, reason: "" });
  }

  #tell(state, detail = {}) {
    this.state = state;
    this.onstate(state, detail);
  }

  #again() {
    this.#attempt = 0;
    this.#connect();
  }

  async #connect() {
    this.#drop();
    const life = this.#life;
    this.#timer = setTimeout(() => this.#lose(1006), OPEN_WITHIN * 1000);
    this.#tell("connecting");
    try {
      const { url, protocols = [] } = await this.#address();
      if (life === this.#life) this.#listen(new WebSocket(url, protocols));
    } catch (error) {
      if (life !== this.#life) return;
      // The constructor's: this is no address, or ws:// on an https:// page.
      const bad = error instanceof DOMException && BAD_ADDRESS.includes(error.name);
      if (bad || error instanceof Refused) {
        this.#drop();
        this.#tell("closed", { code: 0, reason: error.message });
      } else this.#lose(1006);
    }
  }

  #listen(socket) {
    this.#socket = socket;
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#since = Date.now();
      this.#tell("open", { since: this.#since });
    };
    socket.onmessage = ({ data }) => this.onmessage(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (!isFinal(code)) return this.#lose(code);
      this.#drop();
      this.#tell("closed", { code, reason });
    };
  }

  #lose(code) {
    if (Date.now() - this.#since > STEADY_AFTER * 1000) this.#attempt = 0;
    this.#drop();
    const seconds = pauseBefore(this.#attempt++);
    this.#timer = setTimeout(() => this.#connect(), seconds * 1000);
    this.#tell("waiting", { seconds, code });
  }

  // Timers stand still while the machine sleeps, and the other end has given up by then.
  #tick(now) {
    const slept = now - this.#tickedAt > SLEPT_AFTER * 1000;
    if (this.#tickedAt && slept && this.state !== "closed") this.#again();
    this.#tickedAt = now;
  }

  #drop() {
    this.#life += 1;
    this.#since = Infinity;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
  }
}
