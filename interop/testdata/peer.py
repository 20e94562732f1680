"""A Peer in Python's grpcio: a server, or a client that takes orders on stdin.

usage: peer.py DESCRIPTORS serve         prints its port, serves until stdin ends
       peer.py DESCRIPTORS call ADDRESS  reads commands and writes answers, JSON lines
"""

import base64
import json
import queue
import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "lupine.interop.v1.Peer"
BIG = 32 << 20


def load(path):
    """Makes message classes from a FileDescriptorSet."""
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as f:
        for file in descriptor_pb2.FileDescriptorSet.FromString(f.read()).file:
            pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    names = ["Order", "Result", "Watched", "Fate", "Status"]
    return {n: factory.GetPrototype(pool.FindMessageTypeByName("lupine.interop.v1." + n)) for n in names}


M = {}
CODES = {c.value[0]: c for c in grpc.StatusCode}


# --- the server ---------------------------------------------------------------


class Fates:
    def __init__(self):
        self.lock, self.ends = threading.Condition(), {}

    def ended(self, call_id, end):
        with self.lock:
            if call_id and call_id not in self.ends:
                self.ends[call_id] = end
                self.lock.notify_all()

    def wait(self, call_id):
        with self.lock:
            self.lock.wait_for(lambda: call_id in self.ends, 30)
            return self.ends.get(call_id, "")


FATES = Fates()


class Call:
    """One call at the server."""

    def __init__(self, context):
        self.context, self.gone = context, threading.Event()
        context.add_callback(self.gone.set)
        self.header = list(context.invocation_metadata())
        if ("compress-reply", "gzip") in self.header:
            context.set_compression(grpc.Compression.Gzip)
        send = [(k, v) for k, v in self.header if k.startswith("echo-")]
        self.trailer = [(k, v) for k, v in self.header if k.startswith("trail-")]
        context.set_trailing_metadata(self.trailer)
        if send or any(k == "header-first" for k, _ in self.header):
            context.send_initial_metadata(send)

    def before(self, order, sent):
        if order.hold:
            FATES.ended(order.id + "/held", "held")
            self.gone.wait()
        if order.wait_ms:
            self.gone.wait(order.wait_ms / 1000)
        if self.gone.is_set():
            left = self.context.time_remaining()
            FATES.ended(order.id, "deadline" if left is not None and left <= 0 else "canceled")
            raise RuntimeError("the caller has gone")
        if order.HasField("fail") and order.fail.after == sent:
            f = order.fail
            if f.details:
                status = M["Status"](code=f.code, message=f.message, details=f.details)
                self.trailer.append(("grpc-status-details-bin", status.SerializeToString()))
                self.context.set_trailing_metadata(self.trailer)
            self.context.abort(CODES[f.code], f.message)

    def result(self, order, index):
        r = M["Result"](text=order.text, payload=order.payload, index=index, server="python")
        if order.reply_bytes:
            r.payload = b"r" * order.reply_bytes
        left = self.context.time_remaining()
        if left is not None and left < 1e12:
            r.seconds_left = left
        return r


def ending(f):
    """Notes the ends that Call.before does not see."""

    def handler(request, context):
        call, ids = Call(context), set()
        context.add_callback(lambda: [FATES.ended(i, "canceled") for i in ids])
        return f(call, request, ids)

    return handler


@ending
def say(call, order, ids):
    ids.add(order.id)
    call.before(order, 0)
    return call.result(order, 0)


@ending
def list_(call, order, ids):
    ids.add(order.id)
    for i in range(order.count):
        call.before(order, i)
        yield call.result(order, i)
    call.before(order, order.count)


@ending
def sum_(call, orders, ids):
    total, n = M["Order"](), 0
    for order in orders:
        ids.add(order.id)
        total.text += order.text
        call.before(order, n)
        n += 1
    return call.result(total, n)


@ending
def chat(call, orders, ids):
    for n, order in enumerate(orders):
        ids.add(order.id)
        call.before(order, n)
        yield call.result(order, n)


def watch(watched, context):
    return M["Fate"](end=FATES.wait(watched.id))


def serve():
    def handler(make, f, req, res):
        return make(f, request_deserializer=M[req].FromString, response_serializer=M[res].SerializeToString)

    methods = {
        "Say": handler(grpc.unary_unary_rpc_method_handler, say, "Order", "Result"),
        "List": handler(grpc.unary_stream_rpc_method_handler, list_, "Order", "Result"),
        "Sum": handler(grpc.stream_unary_rpc_method_handler, sum_, "Order", "Result"),
        "Chat": handler(grpc.stream_stream_rpc_method_handler, chat, "Order", "Result"),
        "Watch": handler(grpc.unary_unary_rpc_method_handler, watch, "Watched", "Fate"),
    }
    options = [("grpc.max_receive_message_length", BIG), ("grpc.max_send_message_length", BIG)]
    server = grpc.server(futures.ThreadPoolExecutor(100), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


# --- the client ---------------------------------------------------------------


def b64(b):
    return base64.b64encode(b).decode()


def flat(metadata):
    return [{"k": k, "v": b64(v if isinstance(v, bytes) else v.encode("latin-1"))} for k, v in metadata or ()]


def failure(e):
    return {"code": e.code().value[0], "text": e.details() or "", "header": flat(e.initial_metadata()), "trailer": flat(e.trailing_metadata())}


class Client:
    def __init__(self, address):
        options = [("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", BIG)]
        raised = [("grpc.max_receive_message_length", BIG), ("grpc.max_send_message_length", BIG)]
        self.channels = {False: grpc.insecure_channel(address, options), True: grpc.insecure_channel(address, raised)}
        self.calls, self.out = {}, threading.Lock()

    def open(self, c):
        channel, path = self.channels[c.get("raised", False)], "/%s/%s" % (SERVICE, c["method"])
        kind = {"List": "unary_stream", "Sum": "stream_unary", "Chat": "stream_stream"}.get(c["method"], "unary_unary")
        req, res = ("Watched", "Fate") if c["method"] == "Watch" else ("Order", "Result")
        stub = getattr(channel, kind)(path, M[req].SerializeToString, M[res].FromString)
        header = [(p["k"], base64.b64decode(p["v"])) for p in c.get("header") or ()]
        metadata = [(k, v if k.endswith("-bin") else v.decode("latin-1")) for k, v in header]
        kw = {"metadata": metadata}
        if c.get("timeout"):
            kw["timeout"] = c["timeout"]
        if c.get("compress") == "gzip":
            kw["compression"] = grpc.Compression.Gzip
        if kind.startswith("unary"):
            first, q = M[req].FromString(base64.b64decode(c["message"])), None
        else:
            q = queue.Queue()
            first = iter(q.get, None)
        call = stub(first, **kw) if kind.endswith("_stream") else stub.future(first, **kw)
        self.calls[c["call"]] = (call, q)
        return {}

    def send(self, c):
        call, q = self.calls[c["call"]]
        while q.qsize() > 100 and not call.done():
            time.sleep(0.001)
        if call.done():
            return {"eof": True}
        q.put(M["Order"].FromString(base64.b64decode(c["message"])))
        return {}

    def close_send(self, c):
        self.calls[c["call"]][1].put(None)
        return {}

    def one(self, c):
        """Waits for the only reply."""
        call, q = self.calls[c["call"]]
        if q:
            q.put(None)
        r = call.result()
        return {"message": b64(r.SerializeToString()), "header": flat(call.initial_metadata()), "trailer": flat(call.trailing_metadata())}

    def recv(self, c):
        call, _ = self.calls[c["call"]]
        try:
            return {"message": b64(next(call).SerializeToString())}
        except StopIteration:
            return {"eof": True, "trailer": flat(call.trailing_metadata())}

    def header(self, c):
        return {"header": flat(self.calls[c["call"]][0].initial_metadata())}

    def cancel(self, c):
        self.calls[c["call"]][0].cancel()
        return {}

    def run(self, c):
        try:
            answer = getattr(self, c["op"])(c)
        except grpc.FutureCancelledError:
            answer = {"code": 1, "text": "cancelled"}
        except grpc.RpcError as e:
            answer = failure(e)
        except Exception as e:  # anything else is a mistake of this program
            answer = {"broken": repr(e)}
        answer["n"] = c["n"]
        with self.out:
            print(json.dumps(answer), flush=True)


def call(address):
    client = Client(address)
    with futures.ThreadPoolExecutor(100) as pool:
        for line in sys.stdin:
            c = json.loads(line)
            if c["op"] in ("open", "send", "close_send", "cancel"):
                client.run(c)  # in order
            else:
                pool.submit(client.run, c)


if __name__ == "__main__":
    M.update(load(sys.argv[1]))
    if sys.argv[2] == "serve":
        serve()
    else:
        call(sys.argv[3])
