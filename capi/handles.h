// What the opaque handles of tern.h point to.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/progress.h"
#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/session/session.h"
#include "runtime/text/sampler.h"
#include "runtime/text/tokenizer.h"
#include "tern/tern.h"

struct tern_model {
  std::shared_ptr<const tern::Model> model;

  // Made at the first use, by whichever thread comes first.
  tern::Result<const tern::Tokenizer*> tokenizer() const;

 private:
  mutable std::once_flag once_;
  mutable std::optional<tern::Result<std::unique_ptr<tern::Tokenizer>>> tokenizer_;
};

struct tern_session {
  std::unique_ptr<tern::Session> session;
};

struct tern_sampler {
  tern::Sampler sampler;
};

namespace tern::capi {

// A callback that throws has stopped the work.
ProgressCallback progress_of(tern_progress progress, void* user);

}  // namespace tern::capi
