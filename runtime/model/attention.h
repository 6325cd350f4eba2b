// Attention of a piece: every member of the team takes its share of the heads and of the runs of tokens.
#pragma once

#include "runtime/model/block.h"

namespace tern {

// mid.x = attention(q, cache) of layer `layer`, rows as long as the input of `out`. Query heads that read the same
// keys and values (a group of heads, tokens that follow each other in a sequence) read them together.
void attend(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member, const InputPlan& out,
            uint32_t layer);

}  // namespace tern
