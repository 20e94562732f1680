// A Peer through @grpc/grpc-js.

import { Client, Metadata, Server, ServerCredentials, compressionAlgorithms, credentials, loadPackageDefinition, status } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { Call, Failure, watch } from "./conduct.mjs";

const big = 32 << 20;

function load(set) {
  return loadFileDescriptorSetFromBuffer(set, { defaults: true });
}

// --- the server ---

// Descriptors give fields the names of the .proto, not those of JavaScript.
const order = (o) => ({ ...o, replyBytes: o.reply_bytes, waitMs: o.wait_ms });
const result = (r) => ({ ...r, seconds_left: r.secondsLeft });

function begin(call) {
  const deadline = call.getDeadline();
  const c = new Call("grpc-js", Number.isFinite(+deadline) ? +deadline : undefined);
  if (call.cancelled) c.gone();
  call.on("cancelled", () => c.gone());
  const header = new Metadata();
  c.trailer = new Metadata();
  for (const k of Object.keys(call.metadata.getMap())) {
    const to = k.startsWith("echo-") ? header : k.startsWith("trail-") ? c.trailer : undefined;
    for (const v of call.metadata.get(k)) to?.add(k, v);
  }
  call.sendMetadata(header);
  return c;
}

/** The error that ends a call. */
function failed(loaded, c, e) {
  if (!(e instanceof Failure)) return { code: status.UNKNOWN, details: String(e), metadata: c.trailer };
  const { code, message, details } = e.failure;
  if (details.length > 0) {
    c.trailer.set("grpc-status-details-bin", loaded["lupine.interop.v1.Status"].serialize({ code, message, details }));
  }
  return { code, details: message, metadata: c.trailer };
}

async function reply(loaded, call, c, results) {
  try {
    for await (const r of results) {
      if (!call.write(result(r))) await Promise.race([c.leaving, new Promise((resolve) => call.once("drain", resolve))]);
      if (c.left) return;
    }
    call.end(c.trailer);
  } catch (e) {
    call.emit("error", failed(loaded, c, e));
  }
}

/** The orders of a stream, until its end or its caller's. */
async function* orders(call, c) {
  const arrived = [];
  let over = false;
  let wake = () => {};
  call.on("data", (o) => {
    arrived.push(order(o));
    call.pause();
    wake();
  });
  call.on("end", () => {
    over = true;
    wake();
  });
  c.leaving.then(() => wake());
  for (;;) {
    if (arrived.length > 0) {
      yield arrived.shift();
    } else if (over || c.left) {
      return;
    } else {
      const next = new Promise((resolve) => (wake = resolve));
      call.resume();
      await next;
    }
  }
}

export async function serve(set) {
  const loaded = load(set);
  const server = new Server({ "grpc.max_receive_message_length": big, "grpc.max_send_message_length": big });
  const once = (c, answer, done) => answer.then(
    (r) => done(null, result(r), c.trailer),
    (e) => done(failed(loaded, c, e)),
  );
  server.addService(loadPackageDefinition(loaded).lupine.interop.v1.Peer.service, {
    Say(call, done) {
      const c = begin(call);
      once(c, c.say(order(call.request)), done);
    },
    List(call) {
      const c = begin(call);
      reply(loaded, call, c, c.list(order(call.request)));
    },
    Sum(call, done) {
      const c = begin(call);
      once(c, c.sum(orders(call, c)), done);
    },
    Chat(call) {
      const c = begin(call);
      reply(loaded, call, c, c.chat(orders(call, c)));
    },
    Watch(call, done) {
      watch(call.request.id).then((f) => done(null, f));
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (e, port) => (e ? reject(e) : resolve(port)));
  });
}

// --- the client ---

const asIs = (b) => b;

function pairs(metadata) {
  if (!metadata) return [];
  return Object.keys(metadata.getMap()).flatMap((k) => metadata.get(k).map((v) => [k, v]));
}

class ClientCall {
  constructor(call, first) {
    this.call = call;
    this.arrived = [];
    this.over = !call.read; // no stream of replies
    this.wake = [];
    this.first = first;
    const changed = () => this.wake.splice(0).forEach((f) => f());
    call.on("metadata", (m) => {
      this.metadata = m;
      changed();
    });
    call.on("status", (s) => {
      this.status = s;
      changed();
    });
    call.on("error", () => {}); // "status" says the same
    if (!call.read) return;
    call.on("data", (b) => {
      this.arrived.push(b);
      call.pause();
      changed();
    });
    call.on("end", () => {
      this.over = true;
      changed();
    });
  }

  async until(f) {
    while (!f()) await new Promise((resolve) => this.wake.push(resolve));
  }

  async send(b) {
    if (this.status) return false;
    let written = false;
    this.call.write(b, () => {
      written = true;
      this.wake.splice(0).forEach((f) => f());
    });
    await this.until(() => written || this.status);
    return true;
  }

  closeSend() {
    this.call.end();
  }

  cancel() {
    this.call.cancel();
  }

  async header() {
    await this.until(() => this.metadata || this.status);
    return pairs(this.metadata);
  }

  ending() {
    const { code, details, metadata } = this.status;
    const end = { header: pairs(this.metadata), trailer: pairs(metadata) };
    return code === status.OK ? { ...end, eof: true } : { ...end, code, text: details };
  }

  async one() {
    if (this.call.write) this.call.end();
    await this.until(() => this.status);
    const end = this.ending();
    if (!end.eof) return end;
    return { ...end, eof: false, message: await this.first };
  }

  async recv() {
    if (this.arrived.length === 0 && !this.over) this.call.resume();
    await this.until(() => this.arrived.length > 0 || (this.over && this.status));
    return this.arrived.length > 0 ? { message: this.arrived.shift() } : this.ending();
  }
}

export function dial(set, address) {
  const methods = load(set)["lupine.interop.v1.Peer"];
  const clients = new Map();
  const client = (raised, compress) => {
    const key = `${raised} ${compress}`;
    if (!clients.has(key)) {
      clients.set(key, new Client(address, credentials.createInsecure(), {
        "grpc.max_receive_message_length": raised ? big : 4 << 20,
        "grpc.max_send_message_length": big,
        "grpc.default_compression_algorithm": compressionAlgorithms[compress ?? "identity"],
      }));
    }
    return clients.get(key);
  };
  return {
    open(c) {
      const metadata = new Metadata();
      for (const [k, v] of c.header) metadata.add(k, k.endsWith("-bin") ? v : v.toString("latin1"));
      const m = methods[c.method];
      const options = c.timeout ? { deadline: Date.now() + c.timeout * 1000 } : {};
      let done;
      const first = new Promise((resolve) => (done = (_, b) => resolve(b)));
      const on = client(c.raised ?? false, c.compress);
      if (m.requestStream) {
        return m.responseStream
          ? new ClientCall(on.makeBidiStreamRequest(m.path, asIs, asIs, metadata, options))
          : new ClientCall(on.makeClientStreamRequest(m.path, asIs, asIs, metadata, options, done), first);
      }
      return m.responseStream
        ? new ClientCall(on.makeServerStreamRequest(m.path, asIs, asIs, c.message, metadata, options))
        : new ClientCall(on.makeUnaryRequest(m.path, asIs, asIs, c.message, metadata, options, done), first);
    },
  };
}
