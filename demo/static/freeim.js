// A FreeIM connection that keeps itself up. No dependencies; copy it.
//
//     const connection = new FreeIMConnection({
//       getUrl: async () => (await askTheWebApi("/ws/pre-connect")).server,
//       onMessage: (value) => {},          // the message, parsed from JSON
//       onState: (state, detail) => {},    // see STATES
//     });
//     connection.open();
//
// Each attempt asks the WebApi for a new address, because its token admits one socket.

// "connecting"  detail: none
// "open"        detail: none
// "waiting"     detail: { seconds } until the next attempt
// "closed"      detail: { code, reason }; it stays closed until open() is called
export const STATES = ["connecting", "open", "waiting", "closed"];

// getUrl throws this to say that another attempt would be refused as well.
export class Refused extends Error {}

const FIRST_PAUSE = 0.5; // seconds
const LONGEST_PAUSE = 30;
const STEADY_AFTER = 10; // an open socket of this age starts again with short pauses

const FINAL_REASONS = new Map([
  [1000, "The connection was closed."],
  [1008, "The server closed the connection: too many messages."],
  [1009, "The server closed the connection: a message was too big."],
  [4401, "The server did not accept this page's token."],
  [4403, "The server does not accept connections from this site."],
  [4410, "You were sent away."],
]);

// The relay says by the code's range, never by its text, whether to come back. Of the
// codes that are no relay's (1005, 1006: the network or a proxy) none is final.
export function isFinal(code) {
  return (
    code === 1000 ||
    code === 1002 ||
    (code >= 1007 && code <= 1009) ||
    (code >= 4400 && code <= 4499)
  );
}

export function reasonFor(code) {
  return FINAL_REASONS.get(code) ?? `The server closed the connection (code ${code}).`;
}

// Exponential, with jitter: thousands of pages must not come back in one moment.
export function pauseBefore(attempt, random = Math.random()) {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
  return longest * (0.5 + random / 2);
}

export class FreeIMConnection {
  #getUrl;
  #onMessage;
  #onState;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #openedAt = Infinity;
  // Raised by open() and close(): what began before belongs to nobody any more.
  #life = 0;

  constructor({ getUrl, onMessage, onState }) {
    this.#getUrl = getUrl;
    this.#onMessage = onMessage;
    this.#onState = onState;
    window.addEventListener("online", () => this.#hurry());
  }

  open() {
    this.#drop();
    this.#attempt = 0;
    this.#connect();
  }

  close() {
    this.#drop();
    this.#onState("closed", { code: 1000, reason: reasonFor(1000) });
  }

  async #connect() {
    const life = this.#life;
    this.#timer = null;
    this.#onState("connecting");
    let url;
    try {
      url = await this.#getUrl();
    } catch (error) {
      if (life !== this.#life) return;
      if (error instanceof Refused) {
        this.#onState("closed", { code: 0, reason: error.message });
      } else {
        this.#connectLater();
      }
      return;
    }
    if (life !== this.#life) return;
    let socket;
    try {
      socket = this.#socket = new WebSocket(url);
    } catch (error) {
      // No address of a WebSocket, or ws:// on an https:// page.
      this.#onState("closed", { code: 0, reason: error.message });
      return;
    }
    socket.onopen = () => {
      this.#openedAt = Date.now();
      this.#onState("open");
    };
    socket.onmessage = (event) => this.#onMessage(JSON.parse(event.data));
    socket.onclose = (event) => this.#onClose(event.code);
  }

  #onClose(code) {
    this.#socket = null;
    if (Date.now() - this.#openedAt > STEADY_AFTER * 1000) this.#attempt = 0;
    this.#openedAt = Infinity;
    if (isFinal(code)) {
      this.#onState("closed", { code, reason: reasonFor(code) });
    } else {
      this.#connectLater();
    }
  }

  #connectLater() {
    const seconds = pauseBefore(this.#attempt++);
    this.#timer = setTimeout(() => this.#connect(), seconds * 1000);
    this.#onState("waiting", { seconds });
  }

  // The browser's network is back: no reason to wait any longer.
  #hurry() {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #drop() {
    this.#life += 1;
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close(1000);
      this.#socket = null;
    }
  }
}
