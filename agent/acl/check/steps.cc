// Every quantized node of a model by itself, on the tensors that the CPU provider
// gives it inside the model: steps RUNTIME PLUGIN MODEL
//
// They must be equal. Were one not, a whole network would show it as something else
// or not at all; this shows each operator without what came before.
#include <cmath>
#include <map>

#include "reader.h"

using namespace check;

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: steps RUNTIME PLUGIN MODEL\n"), 2;
  try {
    Library lib(argv[1], argv[2]);
    std::vector<uint8_t> model = read_file(argv[3]);
    const std::string graph = graph_of(model);
    std::map<std::string, std::string> constants;
    std::vector<std::string> nodes;
    std::vector<Field> opsets;
    for (const Field& f : fields(std::string(model.begin(), model.end())))
      if (f.number == 8) opsets.push_back(f);
    for (const Field& f : fields(graph)) {
      if (f.number == 5) constants[parse_tensor(f.bytes).name] = f.bytes;
      if (f.number != 1) continue;
      for (const Field& g : fields(f.bytes))
        if (g.number == 4 && g.bytes.rfind("QLinear", 0) == 0) nodes.push_back(f.bytes);
    }
    // Every tensor between nodes becomes an output of the whole model.
    std::vector<std::string> have = port_names(graph, 12);
    Message outputs, more;
    for (const Field& f : fields(graph)) {
      if (f.number != 1) continue;
      for (const Field& g : fields(f.bytes)) {
        if (g.number != 2) continue;
        Message info;
        bool known = false;
        for (auto& h : have) known |= h == g.bytes;
        if (!known) outputs.message(12, info.bytes(1, g.bytes));
      }
    }
    more.message(7, outputs);
    std::vector<uint8_t> open = model;
    open.insert(open.end(), more.data.begin(), more.data.end());

    Options o;
    std::map<std::string, Tensor> tensors;
    {
      Session s(lib, open, o);
      Tensor in{s.inputs[0].name, s.inputs[0].type, s.inputs[0].dims, {}};
      for (int64_t& d : in.dims) d = d < 1 ? 1 : d;
      in.data.resize(in.count() * 4);
      Random r(11);
      for (size_t i = 0; i < in.count(); i++) reinterpret_cast<float*>(in.data.data())[i] = 1.5f * std::sin(float(i) * 0.001f) + 0.3f * r.normal();
      for (Tensor& t : s.run({in})) tensors[t.name] = t;
    }
    size_t values = 0, unequal = 0;
    double worst = 0, most = 0;
    int claimed = 0;
    for (const std::string& node : nodes) {
      Model m;
      std::vector<Tensor> in;
      std::string out;
      for (const Field& f : fields(node)) {
        if (f.number == 2) out = f.bytes;
        if (f.number != 1 || f.bytes.empty()) continue;
        auto c = constants.find(f.bytes);
        if (c != constants.end()) {
          m.graph.bytes(5, c->second);
        } else {
          Tensor& t = tensors.at(f.bytes);
          m.input(f.bytes, t.type, t.dims);
          in.push_back(t);
        }
      }
      m.graph.bytes(1, node);
      m.output(out, tensors.at(out).type);
      Message whole;
      whole.integer(1, 8).message(7, m.graph);
      for (const Field& f : opsets) whole.bytes(8, f.bytes);
      Options p;
      p.acl = p.light = true;
      Session s(lib, {whole.data.begin(), whole.data.end()}, p);
      int ours, all, x, y;
      s.assigned(&ours, &all, &x, &y);
      if (!ours) continue;
      claimed++;
      Difference d = compare(s.run(in).at(0), tensors.at(out));
      if (!d.comparable) throw std::runtime_error(out + " has another shape");
      values += d.n;
      unequal += d.unequal;
      worst = std::max(worst, d.absolute);
      most = std::max(most, double(d.unequal) / double(d.n));
    }
    std::printf("quantized nodes: %zu, claimed %d; largest difference %g step(s); %.3f %% of %zu values differ, at most %.2f %% of one node's\n", nodes.size(), claimed, worst,
                100.0 * double(unequal) / double(values), values, 100 * most);
    return unequal || claimed != int(nodes.size()) ? 1 : 0;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "steps: %s\n", e.what()), 1;
  }
}
