// `--profile`: where the time of a model goes, stage by stage.
#pragma once

#include "apps/table.h"
#include "runtime/model/model.h"
#include "runtime/model/profile.h"

namespace tern::app {

// seconds: what all took, passes and the rest (sampling, text).
Table profile_table(const Profile& profile, const Model& model, double seconds);

}  // namespace tern::app
