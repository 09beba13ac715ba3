// What I write goes to the WebApi one after the other, so that it stays in order; what
// did not arrive is sent again under the same key, so that it is stored once.

import { pauseBefore } from "./freeim.js";
import { post, Refusal } from "./webapi.js";

const LONGEST_PAUSE = 5; // seconds

export class Outbox {
  #queue = [];
  #running = false;
  #wake = () => {};

  // onStored(message, line), onRefused(line, error), onAsk(line)
  constructor(handlers) {
    this.handlers = handlers;
  }

  put(line) {
    this.#queue.push(line);
    this.#run();
  }

  // The WebApi answers again, perhaps: no reason to wait any longer.
  hurry() {
    this.#wake();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    for (let attempt = 0; this.#queue.length; ) {
      const [line] = this.#queue;
      const { to, text, key } = line;
      try {
        this.handlers.onAsk(line);
        const { message } = await post("/api/send", { to, text, key });
        this.handlers.onStored(message, line);
      } catch (error) {
        if (!(error instanceof Refusal) || error.isPassing) {
          await this.#pause(attempt++);
          continue;
        }
        this.handlers.onRefused(line, error);
      }
      attempt = 0;
      this.#queue.shift();
    }
    this.#running = false;
  }

  #pause(attempt) {
    const seconds = Math.min(LONGEST_PAUSE, 0.2 + pauseBefore(attempt));
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, seconds * 1000);
    });
  }
}

export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
