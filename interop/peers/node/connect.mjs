// A Peer through @connectrpc/connect-node: its gRPC transport, over HTTP/2 without TLS.

import { createServer } from "node:http2";
import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { Call, Failure, watch } from "./conduct.mjs";

const big = 32 << 20;

function load(set) {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).getService("lupine.interop.v1.Peer");
}

// --- the server ---

function begin(context) {
  const left = context.timeoutMs();
  const c = new Call("connect", left === undefined ? undefined : Date.now() + left);
  context.signal.addEventListener("abort", () => c.gone());
  if (context.signal.aborted) c.gone();
  // Headers has joined the values of a key, and gives them back so.
  for (const [k, v] of context.requestHeader.entries()) {
    if (k.startsWith("echo-")) context.responseHeader.set(k, v);
    if (k.startsWith("trail-")) context.responseTrailer.set(k, v);
  }
  return c;
}

/** The error that ends a call. */
function failed(e, context) {
  if (context.signal.aborted) return context.signal.reason;
  if (!(e instanceof Failure)) return e;
  const { code, message, details } = e.failure;
  const error = new ConnectError(message, code);
  error.details = details.map((d) => ({ type: d.typeUrl.slice(d.typeUrl.lastIndexOf("/") + 1), value: d.value }));
  return error;
}

async function once(answer, context) {
  try {
    return await answer;
  } catch (e) {
    throw failed(e, context);
  }
}

async function* each(results, context) {
  try {
    yield* results;
  } catch (e) {
    throw failed(e, context);
  }
}

export async function serve(set) {
  const service = load(set);
  const routes = (router) => router.service(service, {
    say: (order, context) => once(begin(context).say(order), context),
    list: (order, context) => each(begin(context).list(order), context),
    sum: (orders, context) => once(begin(context).sum(orders), context),
    chat: (orders, context) => each(begin(context).chat(orders), context),
    watch: (watched) => watch(watched.id),
  });
  const server = createServer(connectNodeAdapter({ routes, readMaxBytes: big, grpcWeb: false, connect: false }));
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
}

// --- the client ---

/** The pairs of a Headers, whose values of one key are joined. */
function pairs(headers) {
  return [...(headers?.entries() ?? [])].flatMap(([k, v]) =>
    k.endsWith("-bin") ? v.split(",").map((b) => [k, Buffer.from(b.trim(), "base64")]) : [[k, v]],
  );
}

class ClientCall {
  constructor(client, method, first, options) {
    this.method = method;
    this.abort = new AbortController();
    this.wake = [];
    this.sent = [];
    this.arrived = [];
    const all = {
      ...options,
      signal: this.abort.signal,
      onHeader: (h) => this.change(() => (this.headers = h)),
      onTrailer: (h) => this.change(() => (this.trailers = h)),
    };
    const input = method.methodKind.match(/client|bidi/) ? this.requests() : first;
    const output = client[method.localName](input, all);
    this.drain(method.methodKind.match(/server|bidi/) ? output : [output]).then(
      () => this.change(() => (this.status = {})),
      (e) => this.change(() => (this.status = ConnectError.from(e))),
    );
  }

  change(f) {
    f();
    this.wake.splice(0).forEach((w) => w());
  }

  async until(f) {
    while (!f()) await new Promise((resolve) => this.wake.push(resolve));
  }

  async drain(output) {
    for await (const m of output) {
      this.change(() => this.arrived.push(m));
      await this.until(() => this.arrived.length < 10 || this.abort.signal.aborted);
    }
  }

  async *requests() {
    for (;;) {
      await this.until(() => this.sent.length > 0 || this.closed);
      if (this.sent.length === 0) return;
      const m = this.sent.shift();
      this.change(() => {});
      yield m;
    }
  }

  async send(b) {
    if (this.status) return false;
    const m = fromBinary(this.method.input, b);
    this.change(() => this.sent.push(m));
    await this.until(() => !this.sent.includes(m) || this.status);
    return true;
  }

  closeSend() {
    this.change(() => (this.closed = true));
  }

  cancel() {
    this.abort.abort();
  }

  async header() {
    await this.until(() => this.headers || this.status);
    return pairs(this.headers);
  }

  ending() {
    const e = this.status;
    const end = { header: pairs(this.headers) };
    // An error holds what came with it; its own fields are not for users.
    if (!e.code) return { ...end, trailer: pairs(this.trailers), eof: true };
    return { ...end, trailer: pairs(e.metadata), code: e.code, text: e.rawMessage };
  }

  async one() {
    this.closeSend();
    await this.until(() => this.status);
    const end = this.ending();
    return end.eof ? { ...end, eof: false, message: toBinary(this.method.output, this.arrived[0]) } : end;
  }

  async recv() {
    await this.until(() => this.arrived.length > 0 || this.status);
    if (this.arrived.length === 0) return this.ending();
    const m = this.arrived.shift();
    this.change(() => {});
    return { message: toBinary(this.method.output, m) };
  }
}

export function dial(set, address) {
  const service = load(set);
  const clients = new Map();
  const client = (raised, compress) => {
    const key = `${raised} ${compress}`;
    if (!clients.has(key)) {
      clients.set(key, createClient(service, createGrpcTransport({
        baseUrl: `http://${address}`,
        readMaxBytes: raised ? big : 4 << 20,
        sendCompression: compress === "gzip" ? compressionGzip : undefined,
      })));
    }
    return clients.get(key);
  };
  return {
    open(c) {
      const headers = new Headers();
      for (const [k, v] of c.header) headers.append(k, v.toString(k.endsWith("-bin") ? "base64" : "latin1"));
      const method = service.methods.find((m) => m.name === c.method);
      const timeoutMs = c.timeout ? Math.max(1, Math.round(c.timeout * 1000)) : undefined;
      return new ClientCall(client(c.raised ?? false, c.compress), method, fromBinary(method.input, c.message), { headers, timeoutMs });
    },
  };
}
