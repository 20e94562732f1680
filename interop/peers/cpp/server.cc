#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "peer.h"
#include "peerpb/peer.grpc.pb.h"

namespace peer {
namespace {

using lupine::interop::v1::Fate;
using lupine::interop::v1::Order;
using lupine::interop::v1::Peer;
using lupine::interop::v1::Result;
using lupine::interop::v1::Watched;
using Clock = std::chrono::system_clock;
using std::chrono::milliseconds;

// Fates holds how calls ended.
class Fates {
 public:
  void Ended(const std::string& id, const std::string& end) {
    std::lock_guard<std::mutex> lock(mu_);
    if (!id.empty() && ends_.emplace(id, end).second) changed_.notify_all();
  }

  std::string Wait(const std::string& id) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return ends_.count(id) > 0; });
    auto it = ends_.find(id);
    return it == ends_.end() ? "" : it->second;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<std::string, std::string> ends_;
};

std::string Text(grpc::string_ref s) { return std::string(s.data(), s.size()); }

// Incoming is one call at the server. It notes how the call ended.
class Incoming {
 public:
  Incoming(Fates& fates, grpc::ServerContext* ctx) : fates_(fates), ctx_(ctx) {
    for (const auto& [key, value] : ctx->client_metadata()) {
      std::string k = Text(key), v = Text(value);
      if (k.rfind("echo-", 0) == 0) ctx->AddInitialMetadata(k, v);
      if (k.rfind("trail-", 0) == 0) ctx->AddTrailingMetadata(k, v);
      if (k == "header-first") header_first_ = true;
      if (k == "compress-reply" && v == "gzip") ctx->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    }
  }

  ~Incoming() {
    const char* end = "returned";
    if (ctx_->IsCancelled()) end = Clock::now() + milliseconds(5) >= ctx_->deadline() ? "deadline" : "canceled";
    for (const auto& id : ids_) fates_.Ended(id, end);
  }

  bool header_first() const { return header_first_; }

  // Before does what comes before a reply.
  grpc::Status Before(const Order& o, unsigned sent) {
    ids_.insert(o.id());
    if (o.hold()) {
      fates_.Ended(o.id() + "/held", "held");
      Leave(Clock::time_point::max());
    }
    if (o.wait_ms() > 0) Leave(Clock::now() + milliseconds(o.wait_ms()));
    if (ctx_->IsCancelled()) return grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone");
    if (!o.has_fail() || o.fail().after() != sent) return grpc::Status::OK;
    const auto& f = o.fail();
    std::string details;
    if (f.details_size() > 0) {
      lupine::interop::v1::Status s;
      s.set_code(f.code());
      s.set_message(f.message());
      *s.mutable_details() = f.details();
      details = s.SerializeAsString();
    }
    return grpc::Status(static_cast<grpc::StatusCode>(f.code()), f.message(), details);
  }

  Result Reply(const Order& o, unsigned index) const {
    Result r;
    r.set_text(o.text());
    r.set_payload(o.reply_bytes() > 0 ? std::string(o.reply_bytes(), 'r') : o.payload());
    r.set_index(index);
    r.set_server("cpp");
    if (ctx_->deadline() != Clock::time_point::max()) {
      r.set_seconds_left(std::chrono::duration<double>(ctx_->deadline() - Clock::now()).count());
    }
    return r;
  }

 private:
  // Leave waits until the caller leaves. The blocking interface can only ask.
  void Leave(Clock::time_point latest) {
    while (!ctx_->IsCancelled() && Clock::now() < latest) std::this_thread::sleep_for(milliseconds(1));
  }

  Fates& fates_;
  grpc::ServerContext* ctx_;
  std::set<std::string> ids_;
  bool header_first_ = false;
};

class Service final : public Peer::Service {
  grpc::Status Say(grpc::ServerContext* ctx, const Order* o, Result* r) override {
    Incoming c(fates_, ctx);
    grpc::Status s = c.Before(*o, 0);
    if (s.ok()) *r = c.Reply(*o, 0);
    return s;
  }

  grpc::Status List(grpc::ServerContext* ctx, const Order* o, grpc::ServerWriter<Result>* out) override {
    Incoming c(fates_, ctx);
    if (c.header_first()) out->SendInitialMetadata();
    for (unsigned i = 0; i < o->count(); i++) {
      grpc::Status s = c.Before(*o, i);
      if (!s.ok()) return s;
      if (!out->Write(c.Reply(*o, i))) return grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone");
    }
    return c.Before(*o, o->count());
  }

  grpc::Status Sum(grpc::ServerContext* ctx, grpc::ServerReader<Order>* in, Result* r) override {
    Incoming c(fates_, ctx);
    Order o, all;
    unsigned n = 0;
    for (; in->Read(&o); n++) {
      all.mutable_text()->append(o.text());
      grpc::Status s = c.Before(o, n);
      if (!s.ok()) return s;
    }
    *r = c.Reply(all, n);
    return grpc::Status::OK;
  }

  grpc::Status Chat(grpc::ServerContext* ctx, grpc::ServerReaderWriter<Result, Order>* both) override {
    Incoming c(fates_, ctx);
    if (c.header_first()) both->SendInitialMetadata();
    Order o;
    for (unsigned n = 0; both->Read(&o); n++) {
      grpc::Status s = c.Before(o, n);
      if (!s.ok()) return s;
      both->Write(c.Reply(o, n));
    }
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext*, const Watched* w, Fate* f) override {
    f->set_end(fates_.Wait(w->id()));
    return grpc::Status::OK;
  }

  Fates fates_;
};

}  // namespace

int Serve() {
  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kBig);
  builder.SetMaxSendMessageSize(kBig);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return 1;
  std::cout << port << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
  }
  _exit(0);  // held calls would wait for ever
}

}  // namespace peer
