// usage: peer DESCRIPTORS serve
//        peer DESCRIPTORS call ADDRESS
// The descriptors are for peers that are not compiled; this one leaves them be.

#include <cstring>
#include <iostream>

#include "peer.h"

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[2], "serve") == 0) return peer::Serve();
  if (argc == 4 && std::strcmp(argv[2], "call") == 0) return peer::Call(argv[3]);
  std::cerr << "usage: peer DESCRIPTORS serve | peer DESCRIPTORS call ADDRESS\n";
  return 2;
}
