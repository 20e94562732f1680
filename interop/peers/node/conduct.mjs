// What a Peer does, apart from the library it is called through. Messages have
// the same field names in both libraries.

/** A call's end, as its handler saw it. */
const ends = new Map();
const waiting = new Map();

export function ended(id, end) {
  if (!id || ends.has(id)) return;
  ends.set(id, end);
  for (const f of waiting.get(id) ?? []) f(end);
  waiting.delete(id);
}

export function watch(id) {
  if (ends.has(id)) return Promise.resolve({ end: ends.get(id) });
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve({ end: "" }), 30_000);
    const all = waiting.get(id) ?? [];
    waiting.set(id, all);
    all.push((end) => {
      clearTimeout(late);
      resolve({ end });
    });
  });
}

/** A status that a handler was told to end with. */
export class Failure extends Error {
  constructor(failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** One call at the server. gone() says that its caller has left. */
export class Call {
  constructor(name, deadline) {
    this.name = name;
    this.deadline = deadline; // milliseconds since 1970, or undefined
    this.ids = new Set();
    this.left = false;
    this.leaving = new Promise((resolve) => (this.leave = resolve));
  }

  gone() {
    this.left = true;
    this.leave();
    for (const id of this.ids) ended(id, this.end());
  }

  end() {
    return this.deadline !== undefined && Date.now() >= this.deadline - 1 ? "deadline" : "canceled";
  }

  async before(order, sent) {
    if (order.hold) {
      ended(order.id + "/held", "held");
      await this.leaving;
    }
    if (order.waitMs > 0) {
      let timer;
      await Promise.race([this.leaving, new Promise((resolve) => (timer = setTimeout(resolve, order.waitMs)))]);
      clearTimeout(timer);
    }
    if (this.left) throw new Error("the caller has gone");
    if (order.fail && order.fail.after === sent) throw new Failure(order.fail);
  }

  result(order, index) {
    return {
      text: order.text,
      payload: order.replyBytes > 0 ? Buffer.alloc(order.replyBytes, "r") : order.payload,
      index,
      secondsLeft: this.deadline === undefined ? 0 : (this.deadline - Date.now()) / 1000,
      server: this.name,
    };
  }

  async say(order) {
    this.ids.add(order.id);
    await this.before(order, 0);
    return this.result(order, 0);
  }

  async *list(order) {
    this.ids.add(order.id);
    for (let i = 0; i < order.count; i++) {
      await this.before(order, i);
      yield this.result(order, i);
    }
    await this.before(order, order.count);
  }

  async sum(orders) {
    let text = "";
    let n = 0;
    for await (const order of orders) {
      this.ids.add(order.id);
      text += order.text;
      await this.before(order, n++);
    }
    return this.result({ text, payload: Buffer.alloc(0), replyBytes: 0 }, n);
  }

  async *chat(orders) {
    let n = 0;
    for await (const order of orders) {
      this.ids.add(order.id);
      await this.before(order, n);
      yield this.result(order, n++);
    }
  }
}
