// A Peer in node: a server, or a client that takes orders on stdin.
//
// usage: peer.mjs grpc-js|connect DESCRIPTORS serve         prints its port, serves until stdin ends
//        peer.mjs grpc-js|connect DESCRIPTORS call ADDRESS  reads commands and writes answers, JSON lines

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const libraries = { "grpc-js": "./grpcjs.mjs", connect: "./connect.mjs" };

/** A call of the client, by the number that its commands carry. */
const calls = new Map();

async function run(client, c) {
  try {
    if (c.op === "open") {
      const header = (c.header ?? []).map(({ k, v }) => [k, Buffer.from(v, "base64")]);
      calls.set(c.call, client.open({ ...c, header, message: Buffer.from(c.message ?? "", "base64") }));
      return {};
    }
    const call = calls.get(c.call);
    switch (c.op) {
      case "send":
        return (await call.send(Buffer.from(c.message, "base64"))) ? {} : { eof: true };
      case "close_send":
        call.closeSend();
        return {};
      case "cancel":
        call.cancel();
        return {};
      case "header":
        return { header: flat(await call.header()) };
      case "one":
      case "recv": {
        const a = c.op === "one" ? await call.one() : await call.recv();
        if (a.message) a.message = Buffer.from(a.message).toString("base64");
        return { ...a, header: flat(a.header), trailer: flat(a.trailer) };
      }
    }
    return { broken: `no such command: ${c.op}` };
  } catch (e) {
    return { broken: `${e?.stack ?? e}` }; // a mistake of this program
  }
}

function flat(pairs) {
  return (pairs ?? []).map(([k, v]) => ({ k, v: (Buffer.isBuffer(v) ? v : Buffer.from(v, "latin1")).toString("base64") }));
}

const [name, descriptors, mode, address] = process.argv.slice(2);
const library = await import(libraries[name]);
const set = readFileSync(descriptors);
if (mode === "serve") {
  console.log(await library.serve(set));
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
} else {
  const client = library.dial(set, address);
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on("line", async (line) => {
    const c = JSON.parse(line);
    process.stdout.write(JSON.stringify({ n: c.n, ...(await run(client, c)) }) + "\n");
  });
  lines.on("close", () => process.exit(0));
}
