// INPT: input records. LINR: linear layers.
#include <fmt/format.h>

#include "formats/tern/limits.h"
#include "formats/tern/sections.h"

namespace tern {
namespace {

constexpr uint64_t kInputBytes = 16, kInputOpBytes = 24;
constexpr uint64_t kLinearBytes = 32, kTermBytes = 56, kOutputOpBytes = 16;

// Refuses a count that the section cannot hold, before memory is set aside for it.
Status check_count(const ByteReader& reader, const char* what, uint64_t index, uint64_t count, uint64_t record_bytes) {
  if (count <= reader.remaining() / record_bytes) return {};
  return corrupt(fmt::format("{} {} reaches beyond the section", what, index));
}

InputOp get_input_op(ByteReader& reader, bool& reserved) {
  InputOp op;
  op.kind = static_cast<InputOpKind>(reader.get<uint16_t>());
  op.bits = reader.get<uint8_t>();
  op.scope = static_cast<ScaleScope>(reader.get<uint8_t>());
  op.tensor = reader.get<uint32_t>();
  op.matrix = reader.get<uint32_t>();
  op.block = reader.get<uint32_t>();
  op.group = reader.get<uint32_t>();
  reserved &= reader.get<uint32_t>() == 0;
  return op;
}

void put_input_op(ByteWriter& writer, const InputOp& op) {
  writer.put<uint16_t>(static_cast<uint16_t>(op.kind));
  writer.put<uint8_t>(op.bits);
  writer.put<uint8_t>(static_cast<uint8_t>(op.scope));
  writer.put<uint32_t>(op.tensor);
  writer.put<uint32_t>(op.matrix);
  writer.put<uint32_t>(op.block);
  writer.put<uint32_t>(op.group);
  writer.put<uint32_t>(0);
}

Term get_term(ByteReader& reader, bool& reserved) {
  Term term;
  term.kind = static_cast<TermKind>(reader.get<uint16_t>());
  term.tap = static_cast<Tap>(reader.get<uint8_t>());
  reserved &= reader.get<uint8_t>() == 0;
  term.scale = reader.get<float>();
  term.tensor = reader.get<uint32_t>();
  term.second = reader.get<uint32_t>();
  term.third = reader.get<uint32_t>();
  reserved &= reader.get<uint32_t>() == 0;
  term.row_begin = reader.get<uint64_t>();
  term.rows = reader.get<uint64_t>();
  term.col_begin = reader.get<uint64_t>();
  term.cols = reader.get<uint64_t>();
  return term;
}

void put_term(ByteWriter& writer, const Term& term) {
  writer.put<uint16_t>(static_cast<uint16_t>(term.kind));
  writer.put<uint8_t>(static_cast<uint8_t>(term.tap));
  writer.put<uint8_t>(0);
  writer.put<float>(term.scale);
  writer.put<uint32_t>(term.tensor);
  writer.put<uint32_t>(term.second);
  writer.put<uint32_t>(term.third);
  writer.put<uint32_t>(0);
  writer.put<uint64_t>(term.row_begin);
  writer.put<uint64_t>(term.rows);
  writer.put<uint64_t>(term.col_begin);
  writer.put<uint64_t>(term.cols);
}

OutputOp get_output_op(ByteReader& reader, bool& reserved) {
  OutputOp op;
  op.kind = static_cast<OutputOpKind>(reader.get<uint16_t>());
  reserved &= reader.get<uint16_t>() == 0;
  op.tensor = reader.get<uint32_t>();
  op.matrix = reader.get<uint32_t>();
  op.block = reader.get<uint32_t>();
  return op;
}

void put_output_op(ByteWriter& writer, const OutputOp& op) {
  writer.put<uint16_t>(static_cast<uint16_t>(op.kind));
  writer.put<uint16_t>(0);
  writer.put<uint32_t>(op.tensor);
  writer.put<uint32_t>(op.matrix);
  writer.put<uint32_t>(op.block);
}

}  // namespace

Result<std::vector<InputRecord>> read_inputs(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  TERN_ASSIGN(const uint32_t count, read_count(reader, "inputs", kMaxInputs, kInputBytes));
  std::vector<InputRecord> inputs(count);
  for (uint32_t i = 0; i < count; ++i) {
    InputRecord& input = inputs[i];
    const auto name_bytes = reader.get<uint16_t>();
    const auto ops = reader.get<uint16_t>();
    bool reserved = reader.get<uint32_t>() == 0;
    input.cols = reader.get<uint64_t>();
    TERN_TRY(check_count(reader, "input", i, ops, kInputOpBytes));
    for (uint16_t k = 0; k < ops; ++k) input.ops.push_back(get_input_op(reader, reserved));
    input.name = std::string(reader.text(name_bytes));
    TERN_TRY(check_record(reader, "input", i, reserved));
  }
  TERN_TRY(check_end(reader));
  return inputs;
}

void write_inputs(ByteWriter& writer, const std::vector<InputRecord>& inputs) {
  write_count(writer, inputs.size());
  for (const InputRecord& input : inputs) {
    writer.put<uint16_t>(static_cast<uint16_t>(input.name.size()));
    writer.put<uint16_t>(static_cast<uint16_t>(input.ops.size()));
    writer.put<uint32_t>(0);
    writer.put<uint64_t>(input.cols);
    for (const InputOp& op : input.ops) put_input_op(writer, op);
    writer.text(input.name);
    writer.pad_to(8);
  }
}

Result<std::vector<LinearRecord>> read_linears(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  TERN_ASSIGN(const uint32_t count, read_count(reader, "linears", kMaxLinears, kLinearBytes));
  std::vector<LinearRecord> linears(count);
  for (uint32_t i = 0; i < count; ++i) {
    LinearRecord& linear = linears[i];
    const auto name_bytes = reader.get<uint16_t>();
    const auto terms = reader.get<uint16_t>();
    const auto ops = reader.get<uint16_t>();
    bool reserved = reader.get<uint16_t>() == 0;
    linear.rows = reader.get<uint64_t>();
    linear.cols = reader.get<uint64_t>();
    linear.input = reader.get<uint32_t>();
    linear.bias = reader.get<uint32_t>();
    TERN_TRY(check_count(reader, "linear", i, terms, kTermBytes));
    for (uint16_t k = 0; k < terms; ++k) linear.terms.push_back(get_term(reader, reserved));
    TERN_TRY(check_count(reader, "linear", i, ops, kOutputOpBytes));
    for (uint16_t k = 0; k < ops; ++k) linear.post.push_back(get_output_op(reader, reserved));
    linear.name = std::string(reader.text(name_bytes));
    TERN_TRY(check_record(reader, "linear", i, reserved));
  }
  TERN_TRY(check_end(reader));
  return linears;
}

void write_linears(ByteWriter& writer, const std::vector<LinearRecord>& linears) {
  write_count(writer, linears.size());
  for (const LinearRecord& linear : linears) {
    writer.put<uint16_t>(static_cast<uint16_t>(linear.name.size()));
    writer.put<uint16_t>(static_cast<uint16_t>(linear.terms.size()));
    writer.put<uint16_t>(static_cast<uint16_t>(linear.post.size()));
    writer.put<uint16_t>(0);
    writer.put<uint64_t>(linear.rows);
    writer.put<uint64_t>(linear.cols);
    writer.put<uint32_t>(linear.input);
    writer.put<uint32_t>(linear.bias);
    for (const Term& term : linear.terms) put_term(writer, term);
    for (const OutputOp& op : linear.post) put_output_op(writer, op);
    writer.text(linear.name);
    writer.pad_to(8);
  }
}

}  // namespace tern
