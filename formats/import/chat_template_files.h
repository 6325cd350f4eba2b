// The chat template of a checkpoint, as far as it is one that tern has built in.
#pragma once

#include <string>

#include "base/status.h"
#include "formats/import/source_model.h"

namespace tern {

// Looks at chat_template.jinja, then at the field chat_template of tokenizer_config.json, then at that of
// chat_template.json; the field is a string, or a list of named templates of which the one named "default" counts.
// Sets model->chat if the first that is there is recognised, and model->chat_note in any case: a few words on what was
// found. Fails with corrupt for a file that cannot be read as what it is.
Status import_chat_template(const std::string& directory, SourceModel* model);

}  // namespace tern
