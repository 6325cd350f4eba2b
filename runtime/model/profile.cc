#include "runtime/model/profile.h"

#include <numeric>

#include "runtime/model/parts.h"

namespace tern {

const char* stage_name(Stage stage) {
  static constexpr const char* kNames[kStages] = {"embedding",
                                                  "norms",
                                                  "rounding to int8",
                                                  "q, k, v",
                                                  "rotary positions, cache",
                                                  "attention",
                                                  "attention output",
                                                  "gate, up",
                                                  "activation",
                                                  "down",
                                                  "head",
                                                  "waiting for others"};
  return kNames[static_cast<size_t>(stage)];
}

uint64_t stage_bytes(const Model& model, Stage stage) {
  uint64_t bytes = 0;
  const auto add = [&](const LinearPlan& l) { bytes += l.bytes(); };
  if (stage == Stage::head) add(model.parts().head);
  for (const Block& b : model.parts().blocks) {
    if (stage == Stage::qkv) add(b.q), add(b.k), add(b.v);
    if (stage == Stage::attention_out) add(b.o);
    if (stage == Stage::gate_up) add(b.gate), add(b.up);
    if (stage == Stage::down) add(b.down);
  }
  return bytes;
}

double Profile::seconds(Stage stage) const {
  double here = 0, all = 0, passes_took = 0;
  for (const Times& member : members) {
    const double sum = std::accumulate(member.seconds.begin(), member.seconds.end(), 0.0);
    if (&member == &members.front()) passes_took = sum;  // the first member is in every pass
    here += member.seconds[static_cast<size_t>(stage)];
    all += sum;
  }
  return all > 0 ? here / all * passes_took : 0;
}

}  // namespace tern
