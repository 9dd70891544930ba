// Makes a float16 model of a float32 one: halve FROM TO
//
// Weights become float16, and with them all that is computed; inputs and outputs
// stay float32, with a Cast behind each input and before each output.
#include <fstream>
#include <set>

#include "reader.h"

using namespace check;

namespace {

Message copy(const Field& f) {
  Message m;
  if (f.value) m.integer(f.number, f.value);
  else if (!f.bytes.empty() || f.number <= 2) m.bytes(f.number, f.bytes);  // an absent input has its place; other zeros are defaults
  return m;
}

Tensor halve(Tensor t) {
  if (t.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return t;
  std::vector<uint8_t> half(t.count() * 2);
  for (size_t i = 0; i < t.count(); i++) {
    float f;
    std::memcpy(&f, &t.data[4 * i], 4);
    const __fp16 h = __fp16(f);
    std::memcpy(&half[2 * i], &h, 2);
  }
  t.type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
  t.data = half;
  return t;
}

std::string convert(const std::string& graph) {
  std::set<std::string> constants, ports;
  for (const Field& f : fields(graph))
    if (f.number == 5) constants.insert(parse_tensor(f.bytes).name);
  Model out;
  auto cast = [&](const std::string& from, const std::string& to, int64_t type) { NodeWriter("Cast", {from}, to).attr("to", type).into(&out); };
  for (const std::string& in : port_names(graph, 11))
    if (!constants.count(in)) {
      ports.insert(in);
      cast(in, in + "_half", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16);
    }
  const std::vector<std::string> last = port_names(graph, 12);
  ports.insert(last.begin(), last.end());
  for (const Field& f : fields(graph)) {
    if (f.number == 5) {
      const Tensor t = halve(parse_tensor(f.bytes));
      out.graph.message(5, tensor_message(t, t.name));
    } else if (f.number == 1) {
      Message node;
      for (const Field& g : fields(f.bytes)) {
        if (g.number == 4 && g.bytes == "Constant") throw std::runtime_error("a model with Constant nodes");
        if (g.number <= 2 && ports.count(g.bytes)) node.bytes(g.number, g.bytes + "_half");
        else node.data += copy(g).data;
      }
      out.graph.message(1, node);
    } else if (f.number != 13) {  // shapes between nodes have types too: the runtime infers them
      out.graph.data += copy(f).data;
    }
  }
  for (const std::string& name : last) cast(name + "_half", name, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  return out.graph.data;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: halve FROM TO\n"), 2;
  try {
    const std::vector<uint8_t> model = read_file(argv[1]);
    Message out;
    for (const Field& f : fields(std::string(model.begin(), model.end())))
      out.data += f.number == 7 ? Message().bytes(7, convert(f.bytes)).data : copy(f).data;
    std::ofstream to(argv[2], std::ios::binary);
    to << out.data;
    return to.flush() ? 0 : 1;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "halve: %s\n", e.what()), 1;
  }
}
