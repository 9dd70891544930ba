#include "generate.h"

#include <algorithm>
#include <cmath>

namespace check {

const std::vector<std::string> kinds = {"Conv",        "ConvDepthwise", "Gemm",         "MatMul",        "Add",       "AddConstant",
                                        "MaxPool",     "AveragePool",   "GlobalAveragePool", "Relu",    "Clip",      "QLinearConv",
                                        "QLinearConvDepthwise", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearGlobalAveragePool", "MaxPoolQuantized",
                                        "QdqConv",     "QdqAdd",        "QdqGemm",      "QdqGlobalAveragePool", "Quantize", "Dequantize",
                                        "Conv.f16",    "ConvDepthwise.f16", "Gemm.f16", "MatMul.f16",    "Add.f16",   "AddConstant.f16",
                                        "MaxPool.f16", "AveragePool.f16", "GlobalAveragePool.f16", "Relu.f16", "Clip.f16"};

namespace {

constexpr auto F32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr auto F16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
constexpr auto U8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
constexpr auto S8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
constexpr auto S32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
using Dims = std::vector<int64_t>;

struct Maker {
  Random r;
  bool wild;
  Case c;
  Model m;
  ONNXTensorElementDataType real = F32;  // of the operator's values
  bool halves = false;                   // every value is one of float16

  int64_t pick(std::initializer_list<int64_t> list) { return *(list.begin() + r.below(int64_t(list.size()))); }
  // A value that makes sense, or, in a wild case, sometimes one that does not.
  int64_t value(int64_t sensible) {
    if (!wild || r.below(8)) return sensible;
    return pick({0, -1, -7, 65, 130, int64_t{1} << 31, int64_t{1} << 33, INT64_MIN, INT64_MAX});
  }
  float scale(float sensible) {
    if (!wild || r.below(10)) return sensible;
    const float bad[] = {0, -1, NAN, INFINITY, 1e-38f, 1e-45f, 3e38f, 1e9f};
    const float v = bad[r.below(8)];
    c.defined = false;
    return v;
  }
  Dims dims(Dims d) {
    if (wild && !d.empty() && !r.below(6)) d[size_t(r.below(int64_t(d.size())))] += pick({-1, 1, 3});
    for (int64_t& v : d) v = std::max<int64_t>(v, 0);
    if (wild && !r.below(12)) d.push_back(1);
    return d;
  }
  // The CPU provider reads a bias of a wrong length past its end, so what it then
  // says is not to be compared with.
  Dims bias(Dims right) {
    Dims d = dims(right);
    if (d != right) c.defined = false;
    return d;
  }
  static size_t count(const Dims& d) {
    size_t n = 1;
    for (int64_t v : d) n *= size_t(v);
    return n;
  }
  std::vector<float> floats(size_t n) {
    std::vector<float> v(n);
    for (float& x : v) x = r.normal();
    return v;
  }
  // Sometimes the ends of the range only: what 16 bits just hold, they must hold.
  template <typename T>
  std::vector<T> integers(size_t n, int lo, int hi) {
    std::vector<T> v(n);
    const bool ends = !wild && !r.below(6), low = ends && !r.below(2);
    for (T& x : v) x = T(low || (ends && r.below(2)) ? lo : ends ? hi : lo + r.below(hi - lo + 1));
    return v;
  }
  // The bytes of values of the operator's type.
  std::vector<uint8_t> reals(const std::vector<float>& v) const {
    std::vector<uint8_t> out(v.size() * (real == F16 ? 2 : 4));
    for (size_t i = 0; i < v.size(); i++) {
      const __fp16 h = __fp16(v[i]);
      const float f = halves ? float(h) : v[i];
      if (real == F16) std::memcpy(&out[2 * i], &h, 2);
      else std::memcpy(&out[4 * i], &f, 4);
    }
    return out;
  }
  std::string constant_reals(const Dims& d, const std::vector<float>& v) { return m.constant(real, d, reals(v)); }
  // Values for it; in a wild float16 case sometimes so small or so large that few
  // digits are left, or none.
  std::vector<float> values(size_t n) {
    std::vector<float> v = floats(n);
    if (!wild || !halves || r.below(5)) return v;
    const float factor[] = {1e-7f, 2e-5f, 3e3f, 6e4f, INFINITY, NAN};
    const float f = factor[r.below(6)];
    for (float& x : v) x *= f;
    c.defined = false;
    return v;
  }
  void note(const std::string& s) { c.text += (c.text.empty() ? "" : " ") + s; }

  void input(const std::string& name, ONNXTensorElementDataType type, const Dims& d) {
    Tensor t{name, type, d, {}};
    const size_t n = count(d);
    if (type == real) {
      std::vector<float> v = values(n);
      if (!wild && c.kind == "Quantize")
        for (float& x : v)
          if (!r.below(9)) x = std::vector<float>{NAN, INFINITY, -INFINITY, 3e38f, 0.0065f, -0.0195f, -0.f, 1e-40f}[size_t(r.below(8))];
      t.data = reals(v);
    } else {
      t.data = integers<uint8_t>(n, 0, 255);
    }
    m.input(name, type, d, r.below(2) != 0);
    c.inputs.push_back(t);
    std::string s = name + "[";
    for (int64_t x : d) s += std::to_string(x) + " ";
    note(s + "]");
  }

  // Some are large enough for several of the blocks in which products are computed.
  Dims image() {
    if (!wild && !r.below(10)) return {pick({1, 2}), pick({16, 24, 33}), 61, 60};
    return {pick({1, 1, 2, 3}), pick({1, 2, 3, 4, 8, 15, 16, 17, 32, 40}), pick({1, 3, 5, 7, 8, 14, 19}), pick({1, 2, 5, 7, 8, 13, 20})};
  }

  void window(NodeWriter* n, const Dims& in, int64_t kh, int64_t kw, bool dilate) {
    Dims kernel{value(kh), value(kw)};
    // The CPU provider's MaxPool of bytes walks the whole kernel, and 2^33 takes hours.
    if (c.kind == "MaxPoolQuantized")
      for (int64_t& k : kernel) k = std::min<int64_t>(k, 130);
    n->attr("kernel_shape", kernel);
    if (r.below(3)) n->attr("strides", Dims{value(pick({1, 1, 2, 3})), value(pick({1, 1, 2, 3}))});
    if (dilate && !r.below(4)) n->attr("dilations", Dims{value(pick({1, 2})), value(pick({1, 2, 3}))});
    switch (r.below(5)) {
      case 0: break;
      case 1: n->attr("auto_pad", std::string(r.below(2) ? "SAME_UPPER" : "SAME_LOWER")); break;
      case 2: n->attr("auto_pad", std::string("VALID")); break;
      default: n->attr("pads", Dims{value(r.below(kh)), value(r.below(kw)), value(r.below(kh)), value(r.below(kw))});
    }
    note("kernel " + std::to_string(kh) + "x" + std::to_string(kw));
    (void)in;
  }

  // Weights [O, I/group, H, W] of a convolution over `in`.
  Dims conv_weights(const Dims& in, bool depthwise) {
    Dims k{pick({1, 1, 3, 3, 5, 2}), pick({1, 1, 3, 3, 5, 2})};
    if (r.below(2)) k[1] = k[0];
    return {depthwise ? in[1] * pick({1, 1, 1, 2}) : (in[2] > 60 ? 96 : pick({1, 3, 4, 8, 16, 17, 33})), depthwise ? 1 : in[1], k[0], k[1]};
  }

  void activation(std::string* out) {
    switch (r.below(4)) {
      case 0:
        NodeWriter("Relu", {*out}, "act").into(&m);
        break;
      case 1: {
        std::string lo = constant_reals({}, {0}), hi = constant_reals({}, {scale(1.5f)});
        NodeWriter("Clip", {*out, lo, hi}, "act").into(&m);
        break;
      }
      case 2: {
        std::string lo = constant_reals({}, {scale(-0.7f)}), hi = constant_reals({}, {1.1f});
        NodeWriter("Clip", {*out, lo, hi}, "act").into(&m);
        break;
      }
      default: return;
    }
    note("+act");
    *out = "act";
  }

  void conv(bool depthwise) {
    Dims in = image(), w = conv_weights(in, depthwise);
    c.terms = w[1] * w[2] * w[3] + 1;
    if (depthwise && w[0] != in[1]) note("two outputs per channel");
    input("x", real, in);
    std::vector<std::string> names{"x"};
    Dims wd = dims(w);
    names.push_back(constant_reals(wd, values(count(wd))));
    if (r.below(3)) {
      Dims b = bias({w[0]});
      if (b[0] != wd[0]) c.defined = false;
      names.push_back(constant_reals(b, values(count(b))));
    }
    NodeWriter n("Conv", names, "y");
    window(&n, in, w[2], w[3], true);
    if (depthwise) n.attr("group", value(in[1]));
    else if (wild && !r.below(6)) n.attr("group", value(2));
    n.into(&m);
    std::string out = "y";
    activation(&out);
    m.output(out, real);
  }

  void gemm(bool full) {
    const int64_t rows = pick({1, 2, 5, 32}), k = pick({1, 3, 16, 40, 129}), n = pick({1, 2, 11, 16, 33});
    c.terms = k + 1;
    input("x", real, full || r.below(2) ? Dims{rows, k} : Dims{2, rows, k});
    const bool transposed = full && r.below(2);
    Dims w = dims(transposed ? Dims{n, k} : Dims{k, n});
    std::vector<std::string> names{"x", constant_reals(w, values(count(w)))};
    if (full && r.below(3)) {
      Dims b = bias(r.below(2) ? Dims{n} : Dims{1, n});
      names.push_back(constant_reals(b, values(count(b))));
    }
    NodeWriter node(full ? "Gemm" : "MatMul", names, "y");
    if (transposed) node.attr("transB", int64_t{1});
    if (full && !r.below(4)) node.attr("alpha", 0.5f);
    if (full && !r.below(6)) node.attr("beta", 0.25f);
    if (wild && full && !r.below(5)) node.attr("transA", int64_t{1});
    note(std::to_string(k) + "x" + std::to_string(n));
    node.into(&m);
    std::string out = "y";
    activation(&out);
    m.output(out, real);
  }

  void add(bool constant) {
    Dims d = r.below(3) ? image() : Dims{pick({1, 2, 7}), pick({1, 5, 16})};
    input("x", real, d);
    std::string second = "z";
    if (constant) {
      Dims s = d;
      switch (r.below(4)) {
        case 0: s = {}; break;
        case 1: s = d.size() == 4 ? Dims{d[1], 1, 1} : Dims{d[1]}; break;
        case 2: s[0] = 1; break;
        default: break;
      }
      s = dims(s);
      second = constant_reals(s, values(count(s)));
    } else {
      input("z", real, d);
    }
    NodeWriter("Add", r.below(2) ? std::vector<std::string>{"x", second} : std::vector<std::string>{second, "x"}, "y").into(&m);
    m.output("y", real);
  }

  void pool(const std::string& op, ONNXTensorElementDataType type) {
    Dims d = image();
    input("x", type, d);
    c.mean = op != "MaxPool";
    if (c.mean) c.terms = d[2] * d[3];
    NodeWriter n(op, {"x"}, "y");
    if (op != "GlobalAveragePool") {
      const int64_t kh = std::min(pick({1, 2, 3, 5}), d[2]), kw = std::min(pick({1, 2, 3, 3}), d[3]);
      if (c.mean) c.terms = kh * kw;
      window(&n, d, kh, kw, false);
      if (op == "AveragePool" && r.below(2)) n.attr("count_include_pad", int64_t{1});
      if (!r.below(8)) n.attr("ceil_mode", int64_t{1});
    }
    n.into(&m);
    m.output("y", type);
  }

  void unary(const std::string& op) {
    input("x", real, r.below(2) ? image() : Dims{3, 7});
    if (op == "Relu") {
      NodeWriter(op, {"x"}, "y").into(&m);
    } else {
      std::string lo = r.below(4) ? constant_reals({}, {scale(-0.5f)}) : "", hi = r.below(4) ? constant_reals({}, {scale(0.8f)}) : "";
      NodeWriter(op, {"x", lo, hi}, "y").into(&m);
    }
    m.output("y", real);
  }

  struct Q {
    ONNXTensorElementDataType type;
    float scale;
    int zero;
    std::string s, z;
  };
  Q quant(ONNXTensorElementDataType type, float s) {
    Q q{type, scale(s), type == U8 ? int(pick({0, 3, 57, 128, 255})) : int(pick({-128, -3, 0, 5, 127})), "", ""};
    q.s = m.scale(q.scale);
    q.z = type == U8 ? m.zero<uint8_t>(U8, q.zero) : m.zero<int8_t>(S8, q.zero);
    return q;
  }
  ONNXTensorElementDataType byte() { return r.below(3) ? U8 : S8; }

  struct W {
    std::string name, scales, zeros;
    std::vector<float> scale;
  };
  // Quantized weights, per channel or not, in the forms that tools write.
  W weights(const Dims& d, int64_t channels) {
    W w;
    const bool per_channel = r.below(2);
    const size_t n = per_channel ? size_t(channels) : 1;
    for (size_t i = 0; i < n; i++) w.scale.push_back(scale(0.01f + 0.02f * r.uniform()));
    Dims sd = per_channel ? dims({channels}) : Dims{};
    std::vector<float> sv(count(sd), w.scale[0]);
    std::copy_n(w.scale.begin(), std::min(sv.size(), w.scale.size()), sv.begin());
    w.scales = m.constant(F32, sd, sv);
    const int form = int(r.below(4));  // symmetric int8 (twice), uint8 around 128, uint8 anywhere
    const size_t bytes = count(d);
    if (form < 2) {
      // Not -128, which tools do not write either: the CPU provider's 5x5 depthwise kernel
      // adds two products in 16 bits, and twice -128 by -128 exceeds those.
      w.name = m.constant(S8, d, integers<int8_t>(bytes, -127, 127));
      w.zeros = m.constant(S8, sd, std::vector<int8_t>(count(sd), 0));
    } else {
      w.name = m.constant(U8, d, integers<uint8_t>(bytes, 0, 255));
      w.zeros = m.constant(U8, sd, std::vector<uint8_t>(count(sd), form == 2 ? 128 : 97));
    }
    note(std::string(form < 2 ? "s8" : form == 2 ? "u8/128" : "u8/97") + (per_channel ? " per channel" : " per tensor"));
    return w;
  }
  // A scale of the output that uses the range of a product of `terms` factors.
  float fitting(float x_scale, const W& w, int64_t terms) { return std::max(1e-6f, x_scale * w.scale[0] * 60 * 60 * std::sqrt(float(terms)) / 60); }

  void qlinear_conv(bool depthwise) {
    Dims in = image(), wd = dims(conv_weights(in, depthwise));
    if (wd.size() != 4) wd.resize(4, 1);
    const auto t = byte();
    input("x", t, in);
    Q qx = quant(t, 0.01f + 0.03f * r.uniform());
    W w = weights(wd, wd[0]);
    Q qy = quant(t, fitting(qx.scale, w, wd[1] * wd[2] * wd[3]));
    std::vector<std::string> names{"x", qx.s, qx.z, w.name, w.scales, w.zeros, qy.s, qy.z};
    if (r.below(3)) {
      Dims b = bias({wd[0]});
      names.push_back(m.constant(S32, b, integers<int32_t>(count(b), -3000, 3000)));
    }
    NodeWriter n("QLinearConv", names, "y");
    window(&n, in, wd[2], wd[3], true);
    if (depthwise) n.attr("group", value(in[1]));
    n.into(&m);
    m.output("y", t);
  }

  void qlinear_matmul() {
    const auto t = byte();
    const int64_t k = pick({1, 3, 16, 40, 129}), n = pick({1, 2, 11, 16, 33});
    input("x", t, {pick({1, 2, 5, 32}), k});
    Q qx = quant(t, 0.01f + 0.03f * r.uniform());
    W w = weights(dims({k, n}), n);
    Q qy = quant(t, fitting(qx.scale, w, k));
    NodeWriter("QLinearMatMul", {"x", qx.s, qx.z, w.name, w.scales, w.zeros, qy.s, qy.z}, "y").into(&m);
    m.output("y", t);
  }

  void qgemm() {
    const auto t = byte();
    const int64_t k = pick({1, 3, 16, 40, 129}), n = pick({1, 2, 11, 16, 33});
    const bool transposed = r.below(2);
    input("x", t, {pick({1, 2, 5, 32}), k});
    Q qx = quant(t, 0.01f + 0.03f * r.uniform());
    W w = weights(dims(transposed ? Dims{n, k} : Dims{k, n}), n);
    std::string bias;
    if (r.below(3)) {
      Dims b = this->bias(r.below(2) ? Dims{n} : Dims{1, n});
      bias = m.constant(S32, b, integers<int32_t>(count(b), -3000, 3000));
    }
    Q qy = quant(t, fitting(qx.scale, w, k));
    const bool wide = !r.below(6);  // float output
    NodeWriter node("QGemm", {"x", qx.s, qx.z, w.name, w.scales, w.zeros, bias, wide ? "" : qy.s, wide ? "" : qy.z}, "y", "com.microsoft");
    if (transposed || r.below(2)) node.attr("transB", int64_t{transposed});
    if (!r.below(6)) node.attr("alpha", 0.5f);
    if (wild && !r.below(5)) node.attr("transA", int64_t{1});
    note(std::to_string(k) + "x" + std::to_string(n) + (wide ? " to float" : ""));
    node.into(&m);
    m.output("y", wide ? F32 : t);
  }

  void qlinear_add() {
    const auto t = byte();
    Dims d = r.below(3) ? image() : Dims{pick({1, 2, 7}), pick({1, 5, 16})};
    input("x", t, d);
    std::string second = "z";
    if (r.below(2)) input("z", t, d);
    else second = m.constant(t, {d[1]}, integers<uint8_t>(size_t(d[1]), 0, 255));
    if (second != "z" && d.size() == 4) d = {};  // aligned at the end, it may not fit; both must then refuse
    Q a = quant(t, 0.01f + 0.03f * r.uniform()), b = quant(t, 0.01f + 0.03f * r.uniform()), c2 = quant(t, 0.02f + 0.06f * r.uniform());
    NodeWriter("QLinearAdd", {"x", a.s, a.z, second, b.s, b.z, c2.s, c2.z}, "y", "com.microsoft").into(&m);
    m.output("y", t);
  }

  void qlinear_pool() {
    const auto t = byte();
    input("x", t, image());
    Q a = quant(t, 0.02f), b = quant(t, r.below(2) ? 0.02f : 0.015f);
    NodeWriter("QLinearGlobalAveragePool", {"x", a.s, a.z, b.s, b.z}, "y", "com.microsoft").attr("channels_last", int64_t{0}).into(&m);
    m.output("y", t);
  }

  void qdq(const std::string& op) {
    const auto t = byte();
    const bool product = op == "Conv" || op == "Gemm";
    Dims in = op == "Gemm" ? Dims{pick({1, 2, 9}), pick({3, 16, 40})} : image();
    input("x", t, in);
    Q qx = quant(t, 0.01f + 0.03f * r.uniform());
    NodeWriter("DequantizeLinear", {"x", qx.s, qx.z}, "xf").into(&m);
    std::vector<std::string> names{"xf"};
    float out_scale = 0.03f;
    Dims wd;
    if (product) {
      wd = op == "Conv" ? conv_weights(in, false) : Dims{pick({2, 11, 16}), in[1]};
      W w = weights(wd, wd[0]);
      NodeWriter("DequantizeLinear", {w.name, w.scales, w.zeros}, "wf").attr("axis", int64_t{0}).into(&m);
      names.push_back("wf");
      if (r.below(3)) {
        std::vector<float> s = w.scale;
        for (float& v : s) v *= qx.scale;
        Dims sd = s.size() == 1 ? Dims{} : Dims{wd[0]};
        std::string bias = m.constant(S32, {wd[0]}, integers<int32_t>(size_t(wd[0]), -3000, 3000));
        NodeWriter("DequantizeLinear", {bias, m.constant(F32, sd, s), m.constant(S32, sd, std::vector<int32_t>(s.size(), 0))}, "bf").attr("axis", int64_t{0}).into(&m);
        names.push_back("bf");
      }
      out_scale = fitting(qx.scale, w, int64_t(count(wd)) / wd[0]);
    } else if (op == "Add") {
      input("z", t, in);
      Q qz = quant(t, 0.01f + 0.03f * r.uniform());
      NodeWriter("DequantizeLinear", {"z", qz.s, qz.z}, "zf").into(&m);
      names.push_back("zf");
    }
    NodeWriter n(op, names, "yf");
    if (op == "Conv") window(&n, in, wd[2], wd[3], true);
    if (op == "Gemm") n.attr("transB", int64_t{1});
    n.into(&m);
    std::string out = "yf";
    if (op == "Conv" || op == "Gemm") activation(&out);
    // Half of the Relus end where the quantized range does, so that they say nothing.
    const bool idle = !wild && out != "yf" && r.below(2);
    Q qy = quant(t, out_scale);
    if (idle) qy.z = t == U8 ? m.zero<uint8_t>(U8, 0) : m.zero<int8_t>(S8, -128);
    NodeWriter("QuantizeLinear", {out, qy.s, qy.z}, "y").into(&m);
    m.output("y", t);
  }

  void convert(bool to) {
    const auto t = byte();
    input("x", to ? F32 : t, r.below(2) ? image() : Dims{3, 7});
    Q q = quant(t, 0.013f);
    NodeWriter(to ? "QuantizeLinear" : "DequantizeLinear", {"x", q.s, q.z}, "y").into(&m);
    m.output("y", to ? t : F32);
  }

  void make(const std::string& k) {
    if (k == "Conv" || k == "ConvDepthwise") conv(k != "Conv");
    else if (k == "Gemm" || k == "MatMul") gemm(k == "Gemm");
    else if (k == "Add" || k == "AddConstant") add(k != "Add");
    else if (k == "MaxPoolQuantized") pool("MaxPool", byte());
    else if (k == "MaxPool" || k == "AveragePool" || k == "GlobalAveragePool") pool(k, real);
    else if (k == "Relu" || k == "Clip") unary(k);
    else if (k == "QLinearConv" || k == "QLinearConvDepthwise") qlinear_conv(k != "QLinearConv");
    else if (k == "QLinearMatMul") qlinear_matmul();
    else if (k == "QGemm") qgemm();
    else if (k == "QLinearAdd") qlinear_add();
    else if (k == "QLinearGlobalAveragePool") qlinear_pool();
    else if (k == "Quantize" || k == "Dequantize") convert(k == "Quantize");
    else if (k.rfind("Qdq", 0) == 0) qdq(k.substr(3));
    else throw std::runtime_error("no kind " + k);
  }
};

}  // namespace

Case generate(const std::string& kind, uint64_t seed, bool wild, bool twin) {
  Maker k{Random(seed), wild, {}, {}};
  k.c.kind = kind;
  k.halves = float16(kind);
  if (k.halves && !twin) k.real = F16;
  k.make(kind.substr(0, kind.find('.')));
  k.c.model = k.m.bytes();
  return k.c;
}

}  // namespace check
