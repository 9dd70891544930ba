// One inference between two markers that count.c understands:
// inference RUNTIME PLUGIN MODEL cpu|acl
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>

#include "harness.h"

using namespace check;

int main(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "usage: inference RUNTIME PLUGIN MODEL cpu|acl\n"), 2;
  try {
    Library lib(argv[1], argv[2]);
    Options o;
    o.acl = std::string(argv[4]) == "acl";
    Session s(lib, read_file(argv[3]), o);
    Tensor in{s.inputs[0].name, s.inputs[0].type, s.inputs[0].dims, {}};
    for (int64_t& d : in.dims) d = d < 1 ? 1 : d;
    in.data.resize(in.count() * 4);
    for (size_t i = 0; i < in.count(); i++) reinterpret_cast<float*>(in.data.data())[i] = 1.5f * std::sin(float(i) * 0.001f);
    s.run({in});  // prepares: packs weights, fills arenas
    syscall(SYS_getpid, 1);
    s.run({in});
    syscall(SYS_getpid, 2);
    return 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "inference: %s\n", e.what()), 1;
  }
}
