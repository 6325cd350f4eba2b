#include "apps/profile.h"

#include <fmt/format.h>

namespace tern::app {

Table profile_table(const Profile& profile, const Model& model, double seconds) {
  Table table{{{"stage"}, {"ms/token", true}, {"share", true}, {"weights GB/s", true}}, {}};
  const auto add = [&](const std::string& name, double took, uint64_t bytes) {
    const double rate = took > 0 ? 1e-9 * static_cast<double>(bytes * profile.passes) / took : 0;
    table.rows.push_back({name, fmt::format("{:.4f}", 1e3 * took / static_cast<double>(profile.tokens)),
                          fmt::format("{:.1f} %", 100 * took / seconds), bytes ? fmt::format("{:.2f}", rate) : ""});
  };
  double rest = seconds;
  for (size_t i = 0; i < kStages; ++i) {
    const Stage stage = static_cast<Stage>(i);
    rest -= profile.seconds(stage);
    add(stage_name(stage), profile.seconds(stage), stage_bytes(model, stage));
  }
  add("outside the model", rest, 0);
  return table;
}

}  // namespace tern::app
