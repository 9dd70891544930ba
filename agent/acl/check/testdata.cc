// ONNX's own single-operator models, with the outputs that the standard expects:
// testdata RUNTIME PLUGIN FOLDER…   (folders of folders with a model.onnx)
//
// In those models weights, scales and bounds are inputs, which no real model has
// and the plugin does not claim. So each runs twice: as it is, and with every
// input but the first made a constant.
#include <algorithm>
#include <filesystem>

#include "reader.h"

using namespace check;
namespace fs = std::filesystem;

namespace {

struct Tally {
  int models = 0, passed = 0, refused = 0, failed = 0, unfit = 0;
};

std::vector<Tensor> read_set(const fs::path& dir, const char* what) {
  std::vector<Tensor> list;
  for (int i = 0;; i++) {
    fs::path p = dir / (std::string(what) + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(p)) return list;
    std::vector<uint8_t> b = read_file(p.string());
    list.push_back(parse_tensor(std::string(b.begin(), b.end())));
  }
}

// Appends initializers. Messages may be written in pieces, and in a model of IR
// version 3 an initializer is constant although it is an input too.
std::vector<uint8_t> freeze(const std::vector<uint8_t>& model, const std::vector<Tensor>& constants) {
  Message graph, more;
  for (const Tensor& t : constants) graph.message(5, tensor_message(t, t.name));
  more.message(7, graph).integer(1, 3);
  std::vector<uint8_t> out = model;
  out.insert(out.end(), more.data.begin(), more.data.end());
  return out;
}

// 1 passed, 0 not claimed, -1 failed.
int run(const Library& lib, const std::string& name, const std::vector<uint8_t>& model, const std::vector<Tensor>& in, const std::vector<Tensor>& want) {
  Options o;
  std::vector<Tensor> cpu;
  try {
    Session s(lib, model, o);
    cpu = s.run(in);
  } catch (const std::exception&) {
    return 0;  // the CPU provider does not run this form, so nobody can
  }
  o.acl = o.light = true;
  o.threads = 2;
  try {
    Session s(lib, model, o);
    int ours, all, x, y;
    s.assigned(&ours, &all, &x, &y);
    if (!ours) return 0;
    std::vector<Tensor> got = s.run(in);
    for (size_t i = 0; i < want.size(); i++) {
      Difference d = compare(got.at(i), want[i]);
      bool whole = want[i].type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT && want[i].type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
      if (d.comparable && (whole ? compare(got.at(i), cpu.at(i)).unequal == 0 && d.absolute <= 1 : d.relative <= 1e-3 || d.absolute <= 1e-5)) continue;
      std::printf("FAILED %s: output %zu differs by %g (the CPU provider's by %g)\n", name.c_str(), i, d.comparable ? d.absolute : -1, compare(cpu.at(i), want[i]).absolute);
      return -1;
    }
    return 1;
  } catch (const std::exception& e) {
    std::printf("FAILED %s: %s\n", name.c_str(), e.what());
    return -1;
  }
}

void check_model(const Library& lib, const fs::path& dir, Tally* t) {
  const std::string name = dir.filename().string();
  std::vector<uint8_t> model;
  std::vector<Tensor> in, want;
  try {
    model = read_file((dir / "model.onnx").string());
    in = read_set(dir / "test_data_set_0", "input");
    want = read_set(dir / "test_data_set_0", "output");
    std::vector<std::string> names = port_names(graph_of(model), 11);
    if (in.empty() || want.empty() || names.size() < in.size()) throw std::runtime_error("no inputs");
    for (size_t i = 0; i < in.size(); i++) in[i].name = names[i];
  } catch (const std::exception&) {
    t->unfit++;  // sequences, maps, strings: nothing that this check can give or compare
    return;
  }
  t->models++;
  int a = run(lib, name, model, in, want), b = 0;
  if (in.size() > 1) b = run(lib, name + " (constants)", freeze(model, {in.begin() + 1, in.end()}), {in[0]}, want);
  if (a < 0 || b < 0) t->failed++;
  else if (a > 0 || b > 0) {
    t->passed++;
    if (std::getenv("LIST")) std::printf("passed %s\n", name.c_str());
  } else t->refused++;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: testdata RUNTIME PLUGIN FOLDER...\n"), 2;
  try {
    Library lib(argv[1], argv[2]);
    Tally t;
    for (int i = 3; i < argc; i++) {
      std::vector<fs::path> dirs;
      for (auto& e : fs::directory_iterator(argv[i]))
        if (fs::exists(e.path() / "model.onnx")) dirs.push_back(e.path());
      std::sort(dirs.begin(), dirs.end());
      for (auto& d : dirs) check_model(lib, d, &t);
    }
    std::printf("ONNX test models: %d, passed %d, refused %d, failed %d (%d more hold sequences, strings or no data)\n", t.models, t.passed, t.refused, t.failed, t.unfit);
    return t.failed ? 1 : 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "testdata: %s\n", e.what()), 1;
  }
}
