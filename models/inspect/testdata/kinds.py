"""Makes small models of kinds that inspect must tell right, into a folder. `pip install onnx numpy`."""
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

out = sys.argv[1]
rng = np.random.default_rng(0)


def w(name, *shape):
    return nh.from_array((rng.standard_normal(shape) * 0.1).astype(np.float32), name)


def f(name, *shape):
    return h.make_tensor_value_info(name, T.FLOAT, list(shape))


def save(name, nodes, inputs, outputs, init, opset=21, more=(), ir=10):
    g = h.make_graph(nodes, name, inputs, outputs, init)
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)] + [h.make_opsetid(d, v) for d, v in more],
                     ir_version=ir, producer_name="chexp-cases")
    onnx.save(m, f"{out}/{name}.onnx")


# A text model: products of computed values in four dimensions, products with weights in three, an embedding.
B, S, D, H = "batch", 16, 32, 4
init = [w("emb", 100, D), nh.from_array(np.array([0, 0, H, D // H], dtype=np.int64), "split"),
        nh.from_array(np.array([0, 0, D], dtype=np.int64), "join"), w("g", D), w("b", D),
        nh.from_array(np.float32(0.35), "scale")]
nodes = [h.make_node("Gather", ["emb", "ids"], ["x"])]
for k in "qkv":
    init += [w("w" + k, D, D), w("bias" + k, D)]
    nodes += [h.make_node("MatMul", ["x", "w" + k], [k + "m"]), h.make_node("Add", [k + "m", "bias" + k], [k + "a"]),
              h.make_node("Reshape", [k + "a", "split"], [k + "r"]),
              h.make_node("Transpose", [k + "r"], [k], perm=[0, 2, 3, 1] if k == "k" else [0, 2, 1, 3])]
nodes += [h.make_node("MatMul", ["q", "k"], ["s"]), h.make_node("Mul", ["s", "scale"], ["sc"]),
          h.make_node("Softmax", ["sc"], ["p"], axis=-1), h.make_node("MatMul", ["p", "v"], ["o"]),
          h.make_node("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]), h.make_node("Reshape", ["ot", "join"], ["oj"]),
          h.make_node("LayerNormalization", ["oj", "g", "b"], ["y"])]
save("attention", nodes, [h.make_tensor_value_info("ids", T.INT64, [B, S])], [f("y", B, S, D)], init, 17, ir=8)
save("lstm", [h.make_node("LSTM", ["x", "w", "r"], ["y", "h", "c"], hidden_size=8, name="same"),
              h.make_node("Relu", ["h"], ["z"], name="same")],
     [f("x", 20, 1, 4)], [f("z", 1, 1, 8)], [w("w", 1, 32, 4), w("r", 1, 32, 8)], 17, ir=8)
save("attention23", [h.make_node("Attention", ["q", "k", "v"], ["y"], q_num_heads=4, kv_num_heads=2)],
     [f("q", 1, 16, 32), f("k", 1, 16, 16), f("v", 1, 16, 16)], [f("y", 1, 16, 32)], [], 23, ir=11)
save("int4", [h.make_node("DequantizeLinear", ["w", "s"], ["wd"], axis=0, block_size=16),
              h.make_node("MatMul", ["x", "wd"], ["y"])], [f("x", 1, 32)], [f("y", 1, 8)],
     [h.make_tensor("w", T.INT4, [32, 8], rng.integers(-8, 8, 256)), w("s", 2, 8)])
save("int16", [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
               h.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]), h.make_node("MatMul", ["d", "w"], ["y"])],
     [f("x", 1, 32)], [f("y", 1, 8)],
     [nh.from_array(np.float32(0.001), "s"), nh.from_array(np.uint16(32768), "z"), w("w", 32, 8)])
save("float8", [h.make_node("DequantizeLinear", ["w", "s"], ["wd"]), h.make_node("MatMul", ["x", "wd"], ["y"])],
     [f("x", 1, 32)], [f("y", 1, 8)],
     [h.make_tensor("w", T.FLOAT8E4M3FN, [32, 8], rng.standard_normal(256)), nh.from_array(np.float32(0.1), "s")])
save("nbits", [h.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=8, bits=4,
                           block_size=16)],
     [f("x", 1, 32)], [f("y", 1, 8)], [nh.from_array(rng.integers(0, 255, (8, 2, 8)).astype(np.uint8), "w"), w("s", 16)],
     21, [("com.microsoft", 1)])
save("trees", [h.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
                           nodes_falsenodeids=[2, 0, 0], nodes_featureids=[0, 0, 0],
                           nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_nodeids=[0, 1, 2], nodes_treeids=[0, 0, 0],
                           nodes_truenodeids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0], target_ids=[0, 0],
                           target_nodeids=[1, 2], target_treeids=[0, 0], target_weights=[1.0, 2.0])],
     [f("x", "n", 3)], [f("y", "n", 1)], [], 17, [("ai.onnx.ml", 3)], ir=8)
