#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include "command.pb.h"
#include "peer.h"
#include "peerpb/peer.grpc.pb.h"

namespace peer {
namespace {

using lupine::interop::v1::Answer;
using lupine::interop::v1::Command;
using lupine::interop::v1::Fate;
using lupine::interop::v1::Order;
using lupine::interop::v1::Pair;
using lupine::interop::v1::Peer;
using lupine::interop::v1::Result;
using lupine::interop::v1::Watched;

// Outgoing is one call of the client.
class Outgoing {
 public:
  Outgoing(Peer::Stub* stub, const Command& c) {
    for (const auto& p : c.header()) ctx_.AddMetadata(p.k(), p.v());
    if (c.timeout() > 0) {
      ctx_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::microseconds(static_cast<int64_t>(c.timeout() * 1e6)));
    }
    if (c.compress() == "gzip") ctx_.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    order_.ParseFromString(c.message());
    if (c.method() == "List") {
      list_ = stub->List(&ctx_, order_);
    } else if (c.method() == "Sum") {
      sum_ = stub->Sum(&ctx_, &result_);
    } else if (c.method() == "Chat") {
      chat_ = stub->Chat(&ctx_);
    } else {
      unary_ = std::async(std::launch::async, [this, stub, method = c.method(), message = c.message()] {
        if (method == "Say") return stub->Say(&ctx_, order_, &result_);
        if (method == "Absent") return stub->Absent(&ctx_, order_, &result_);
        Watched w;
        w.ParseFromString(message);
        return stub->Watch(&ctx_, w, &fate_);
      });
    }
  }

  void Do(const Command& c, Answer* a) {
    if (c.op() == "send") {
      Order o;
      o.ParseFromString(c.message());
      a->set_eof(!(sum_ ? sum_->Write(o) : chat_->Write(o)));
    } else if (c.op() == "close_send") {
      chat_->WritesDone();
    } else if (c.op() == "header") {
      Header(a);
    } else if (c.op() == "recv") {
      Recv(a);
    } else if (c.op() == "one") {
      if (sum_) {
        sum_->WritesDone();
        status_ = sum_->Finish();
      } else {
        status_ = unary_.get();
      }
      headed_ = true;
      if (Ended(a)) {
        a->set_eof(false);
        a->set_message(fate_.end().empty() ? result_.SerializeAsString() : fate_.SerializeAsString());
      }
    } else {
      a->set_broken("no such command: " + c.op());
    }
  }

  void Cancel() { ctx_.TryCancel(); }

 private:
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  static void Add(const Metadata& from, google::protobuf::RepeatedPtrField<Pair>* to) {
    for (const auto& [k, v] : from) {
      Pair* p = to->Add();
      p->set_k(std::string(k.data(), k.size()));
      p->set_v(std::string(v.data(), v.size()));
    }
  }

  void Header(Answer* a) {
    if (!headed_) {
      if (list_) list_->WaitForInitialMetadata();
      if (chat_) chat_->WaitForInitialMetadata();
      headed_ = true;
    }
    Add(ctx_.GetServerInitialMetadata(), a->mutable_header());
  }

  void Recv(Answer* a) {
    Result r;
    headed_ = true;
    if (!finished_ && (list_ ? list_->Read(&r) : chat_->Read(&r))) {
      a->set_message(r.SerializeAsString());
      return;
    }
    if (!finished_) status_ = list_ ? list_->Finish() : chat_->Finish();
    finished_ = true;
    Ended(a);
  }

  // Ended tells how the call ended, and whether well.
  bool Ended(Answer* a) {
    Add(ctx_.GetServerInitialMetadata(), a->mutable_header());
    Add(ctx_.GetServerTrailingMetadata(), a->mutable_trailer());
    a->set_code(status_.error_code());
    a->set_text(status_.error_message());
    a->set_eof(status_.ok());
    return status_.ok();
  }

  grpc::ClientContext ctx_;
  Order order_;
  Result result_;
  Fate fate_;
  grpc::Status status_;
  bool headed_ = false, finished_ = false;
  std::future<grpc::Status> unary_;
  std::unique_ptr<grpc::ClientReader<Result>> list_;
  std::unique_ptr<grpc::ClientWriter<Order>> sum_;
  std::unique_ptr<grpc::ClientReaderWriter<Order, Result>> chat_;
};

std::unique_ptr<Peer::Stub> Dial(const std::string& address, int receive) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(receive);
  args.SetMaxSendMessageSize(kBig);
  return Peer::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args));
}

void Print(const Answer& a) {
  static std::mutex mu;
  std::string line;
  google::protobuf::util::MessageToJsonString(a, &line);
  std::lock_guard<std::mutex> lock(mu);
  std::cout << line << std::endl;
}

}  // namespace

int Call(const std::string& address) {
  auto plain = Dial(address, 4 << 20), raised = Dial(address, kBig);
  std::map<int, std::shared_ptr<Outgoing>> calls;
  for (std::string line; std::getline(std::cin, line);) {
    Command c;
    Answer a;
    auto parsed = google::protobuf::util::JsonStringToMessage(line, &c);
    a.set_n(c.n());
    if (!parsed.ok()) {
      a.set_broken(parsed.ToString());
      Print(a);
    } else if (c.op() == "open") {
      calls[c.call()] = std::make_shared<Outgoing>(c.raised() ? raised.get() : plain.get(), c);
      Print(a);
    } else if (c.op() == "cancel") {
      calls.at(c.call())->Cancel();
      Print(a);
    } else {
      // The rest can block.
      std::thread([call = calls.at(c.call()), c, a]() mutable {
        call->Do(c, &a);
        Print(a);
      }).detach();
    }
  }
  _exit(0);  // calls may still be under way
}

}  // namespace peer
