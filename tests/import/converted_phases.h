// Checkpoints of phases, converted: what tests of Fairy2i and iFairy share.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/encoding/values.h"
#include "formats/import/convert.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"

namespace tern::test {

inline CheckpointSpec phase_shape(CheckpointSpec::Architecture architecture) {
  CheckpointSpec s;
  s.architecture = architecture;
  s.hidden = 72, s.ffn = 100, s.heads = 6, s.kv_heads = 2, s.vocab = 41;
  return s;
}

// Of a bf16 tensor.
inline void set_value(PlainTensor& tensor, size_t index, uint16_t bits) {
  std::memcpy(&tensor.data[2 * index], &bits, 2);
}

struct ConvertedPhases {
  TemporaryFolder folder;
  ConvertReport report;
  std::shared_ptr<const TernFile> file;

  explicit ConvertedPhases(const Checkpoint& checkpoint, const ConvertOptions& options = {}) {
    const auto source = checkpoint.import();
    INFO(source.status().message());
    REQUIRE(source.ok());
    auto result = convert(*source, options, folder.path("m.tern"));
    INFO(result.status().message());
    REQUIRE(result.ok());
    report = std::move(result).value();
    file = TernFile::open(folder.path("m.tern")).value();
    CHECK(file->verify_payload().message() == "");
  }

  const TensorReport& line(const std::string& name) const {
    for (const TensorReport& t : report.tensors) {
      if (t.name == name) return t;
    }
    throw std::runtime_error("no tensor " + name);
  }
  const Encoding& encoding(const std::string& name) const {
    return file->description().tensors.at(file->find_tensor(name)).encoding;
  }
  std::vector<float> stored(const std::string& name) const {
    const uint32_t i = file->find_tensor(name);
    const TensorRecord& t = file->description().tensors.at(i);
    const Layout layout = layout_of(t.encoding, t.rows, t.cols).value();
    std::vector<float> values(t.rows * t.cols);
    for (uint64_t r = 0; r < t.rows; ++r)
      decode_row(t.encoding, layout, t.cols, file->codes(i).data(), file->scales(i).data(), r, &values[r * t.cols]);
    return values;
  }
};

inline const std::string kPhaseLayer = "blocks.1.attn.q";

}  // namespace tern::test
