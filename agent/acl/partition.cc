#include <algorithm>
#include <numeric>

#include "op.h"

namespace chexp {

// A group may hold no two operators with something foreign on a way between
// them. The depth of an operator is the number of times that a way to it leaves
// the claimed ones; a way never gets shallower, so operators of one depth are
// convex, and so is each connected part of them.
std::vector<std::vector<int>> partition(const Graph& g, const std::vector<Op>& ops, bool light) {
  std::vector<int> owner(g.nodes.size(), -1);
  for (size_t i = 0; i < ops.size(); i++)
    for (int n : ops[i].nodes) owner[n] = int(i);

  std::vector<int> depth(ops.size(), 0), foreign(g.nodes.size(), 0), root(ops.size());
  std::iota(root.begin(), root.end(), 0);
  auto find = [&](int i) {
    while (root[i] != i) i = root[i] = root[root[i]];
    return i;
  };
  for (size_t n = 0; n < g.nodes.size(); n++) {
    int op = owner[n];
    if (op < 0) {
      for (int id : g.nodes[n].inputs) {
        int p = id < 0 ? -1 : g.values[id].producer;
        if (p >= 0) foreign[n] = std::max(foreign[n], owner[p] < 0 ? foreign[p] : depth[owner[p]]);
      }
      continue;
    }
    // An operator of several nodes has one output, that of its last node: by
    // then all that feeds it has been seen, and nothing that it feeds.
    if (ops[op].nodes.back() != int(n)) continue;
    for (int pass = 0; pass < 2; pass++) {
      for (int id : ops[op].in) {
        int p = id < 0 ? -1 : g.values[id].producer;
        if (p < 0) continue;
        if (pass == 0) depth[op] = std::max(depth[op], owner[p] < 0 ? foreign[p] + 1 : depth[owner[p]]);
        else if (owner[p] >= 0 && depth[owner[p]] == depth[op]) root[find(owner[p])] = find(op);
      }
    }
  }

  std::vector<std::vector<int>> groups(ops.size());
  for (size_t i = 0; i < ops.size(); i++) groups[find(int(i))].push_back(int(i));
  groups.erase(std::remove_if(groups.begin(), groups.end(),
                              [&](const std::vector<int>& group) {
                                if (group.empty()) return true;
                                return !light && std::none_of(group.begin(), group.end(), [&](int i) { return heavy(ops[i]); });
                              }),
               groups.end());
  return groups;
}

}  // namespace chexp
