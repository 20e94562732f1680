// A Peer in C++ through libgrpc++: a server, or a client that takes orders on stdin.
#pragma once

#include <string>

namespace peer {

constexpr int kBig = 32 << 20;

// Serve prints its port and serves until stdin ends.
int Serve();

// Call reads commands and writes answers, JSON lines, until stdin ends.
int Call(const std::string& address);

}  // namespace peer
