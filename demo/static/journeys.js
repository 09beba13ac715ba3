// What is known about the way of each message of mine, and how long each step took.

const KEPT = 50;

export class Journeys {
  #byKey = new Map(); // key -> { askedAt }
  #byId = new Map(); // message id -> { askedAt, publishedAt, to }
  #early = new Map(); // message id -> state, of receipts that overtook the answer

  constructor(drawing) {
    this.drawing = drawing;
  }

  asked({ key }) {
    this.#byKey.set(key, { askedAt: performance.now() });
    this.drawing.show("request");
  }

  published(message, { key, to }) {
    const journey = this.#byKey.get(key);
    if (!journey) return;
    this.#byKey.delete(key);
    const took = performance.now() - journey.askedAt;
    remember(this.#byId, message.id, { ...journey, to });
    this.drawing.time("request", took);
    this.drawing.show("publish", { to });
    // Nobody tells me about a room; the relay nodes push to all who are there.
    if (to.room !== undefined) this.drawing.show("push", { to });
    const state = this.#early.get(message.id);
    if (state) this.receipt(message, state);
  }

  receipt({ id }, state) {
    const journey = this.#byId.get(id);
    if (!journey) return remember(this.#early, id, state);
    this.#byId.delete(id);
    const took = performance.now() - journey.askedAt;
    if (state === "delivered") this.drawing.show("push", { to: journey.to });
    this.drawing.time("receipt", took);
    this.drawing.show("receipt", { to: journey.to });
  }

  received({ from }) {
    this.drawing.show("received", { from: from.id });
  }
}

function remember(map, key, value) {
  map.set(key, value);
  if (map.size > KEPT) map.delete(map.keys().next().value);
}
