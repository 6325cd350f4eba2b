// tern bench kernels: every linear kernel of the list beside the machine's limits, in turns: run, read, multiply, and
// so the next kernel of the same encoding.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <new>

#include "apps/bench.h"
#include "apps/interrupt.h"
#include "apps/kernel_rows.h"
#include "apps/model_options.h"
#include "apps/terminal.h"
#include "base/cpu.h"
#include "bench/layer.h"
#include "bench/limits.h"
#include "bench/onednn_matmul.h"
#include "kernels/onednn/dense_onednn.h"

namespace tern::app {
namespace {

struct KernelFlags {
  std::vector<std::string> encodings = {"trit2", "trit5", "int4", "int6", "int8"}, shapes = {"5632x2048"};
  std::vector<uint64_t> batches = {1};
  std::vector<unsigned> threads = {1};
  std::string isa = "native", family, input = "a8", format = "md", plot;
  unsigned planes = 1, group = 0, length = 8, index_bits = 8, pairs = 15, footprint = 256, read = 256;
  bool all = false, onednn = false, int8_codebooks = false, tile = false;

  std::string input_type() const { return input == "a8" ? "int8" : input; }
};

// Kernels of an encoding and input that the features allow; the best of each family, or all; oneDNN's if asked for.
std::vector<const LinearKernelEntry*> kernels_of(const KernelFlags& flags, const std::string& encoding,
                                                 CpuFeatures features) {
  std::vector<const LinearKernelEntry*> found;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    const std::string family = family_name(kernel.family);
    if (part_of(kernel, 0) != encoding || part_of(kernel, 1) != flags.input) continue;
    if ((kernel.needs & ~features) != 0 || (!flags.family.empty() && flags.family != family)) continue;
    if (!flags.all && kernel.family == KernelFamily::reference && flags.family.empty() && !found.empty()) continue;
    const bool better = std::any_of(found.begin(), found.end(), [&](auto* k) { return k->family == kernel.family; });
    if (flags.all || !better) found.push_back(&kernel);
  }
  for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    const LinearKernelEntry* kernel = onednn_kernel(type);
    const bool asked = flags.onednn && kernel && part_of(*kernel, 0) == encoding && part_of(*kernel, 1) == flags.input;
    if (asked) found.push_back(kernel);
  }
  return found;
}

class KernelBench {
 public:
  KernelBench(const KernelFlags& flags, unsigned threads, CpuFeatures features)
      : flags_(flags),
        threads_(threads),
        features_(features),
        team_(threads),
        limit_(team_, uint64_t{flags.read} << 20) {}

  // What computes one encoding, sample by sample in turns: memory that other programs slow down slows all of them.
  Result<std::vector<KernelRow>> measure(const std::vector<const LinearKernelEntry*>& kernels,
                                         const std::string& encoding, const bench::LayerShape& shape) {
    std::vector<Candidate> candidates;
    const uint64_t footprint = shape.tokens == 1 ? uint64_t{flags_.footprint} << 20 : 0;
    for (const LinearKernelEntry* kernel : kernels) {
      TERN_TRY(bench::check(*kernel, shape));
      candidates.push_back(
          candidate(*kernel, shape, std::make_shared<bench::Layer>(*kernel, shape, threads_, footprint)));
    }
    if (flags_.onednn) {  // nothing where oneDNN has no such matrices
      const std::shared_ptr<bench::OneDnnMatmul> matmul = bench::OneDnnMatmul::make(encoding, shape, threads_);
      if (matmul != nullptr) candidates.push_back(candidate(matmul->entry(), shape, matmul));
    }
    for (unsigned i = 0; i < flags_.pairs; ++i)
      for (Candidate& c : candidates) sample(c);
    std::vector<KernelRow> rows;
    for (Candidate& c : candidates) rows.push_back(std::move(c.row));
    return rows;
  }

 private:
  struct Candidate {
    KernelRow row;
    const Peak *peak, *int8;
    std::function<void(const ThreadTeam::Member&, uint64_t round)> run;
    uint64_t rounds = 1;
  };

  template <class Layer>
  Candidate candidate(const LinearKernelEntry& kernel, const bench::LayerShape& shape,
                      const std::shared_ptr<Layer>& layer) {
    const CpuFeatures used = kernel.needs & features_;
    const Peak *peak = select_peak(kernel.input, used), *int8 = select_peak(LinearInput::int8, used);
    KernelRow row{&kernel,
                  shape,
                  threads_,
                  layer->bits_per_weight(),
                  static_cast<double>(layer->bytes()),
                  static_cast<double>(layer->weights() * shape.tokens),
                  peak ? peak->instruction : ""};
    Candidate c{std::move(row), peak, int8, [layer](const auto& member, uint64_t round) { layer->run(member, round); }};
    // Rounds of about 20 ms, so that a pair sees one state of the machine.
    c.rounds = static_cast<uint64_t>(std::clamp(0.02 / std::max(time(c), 1e-7), 1., 1e5));
    return c;
  }
  void sample(Candidate& c) {
    if (interrupted()) return;
    KernelRow& row = c.row;
    const double seconds = time(c) / static_cast<double>(c.rounds);
    row.weight_rates.push_back(row.weights / seconds);
    row.byte_rates.push_back(row.bytes / seconds);
    row.read_rates.push_back(limit_.measure());
    row.peaks.push_back(bench::measure_peak(team_, c.peak));
    row.int8_peaks.push_back(c.peak == c.int8 ? row.peaks.back() : bench::measure_peak(team_, c.int8));
  }
  double time(const Candidate& c) {
    const Timer timer;
    team_.run([&](const ThreadTeam::Member& member) {
      for (uint64_t i = 0; i < c.rounds; ++i) {
        c.run(member, round_ + i);
        member.barrier();
      }
    });
    round_ += c.rounds;
    return timer.seconds();
  }

  const KernelFlags& flags_;
  unsigned threads_;
  CpuFeatures features_;
  ThreadTeam team_;
  bench::ReadLimit limit_;
  uint64_t round_ = 0;
};

Result<bench::LayerShape> parse_shape(const std::string& text, const KernelFlags& flags) {
  const size_t x = text.find('x');
  const auto number = [](const std::string& digits) -> uint64_t {
    const bool valid =
        !digits.empty() && digits.size() < 7 && digits.find_first_not_of("0123456789") == std::string::npos;
    return valid ? std::stoull(digits) : 0;
  };
  bench::LayerShape shape;
  if (x != std::string::npos) shape.rows = number(text.substr(0, x)), shape.cols = number(text.substr(x + 1));
  if (shape.rows == 0 || shape.cols == 0 || shape.cols > kMaxCols / 2) {
    return invalid_argument(fmt::format("--shape: '{}', expected ROWSxCOLUMNS, columns up to {}", text, kMaxCols / 2));
  }
  shape.planes = static_cast<uint8_t>(flags.planes);
  shape.group = flags.group;
  shape.tile = flags.tile;
  shape.length = static_cast<uint8_t>(flags.length);
  shape.index_bits = static_cast<uint8_t>(flags.index_bits), shape.int8_codebooks = flags.int8_codebooks;
  return shape;
}

Result<std::vector<KernelRow>> measure_kernels(const KernelFlags& flags) {
  TERN_ASSIGN(const CpuFeatures features, cap_features(detect_cpu().features, flags.isa));
  std::vector<KernelRow> rows;
  for (const unsigned threads : flags.threads) {
    KernelBench bench(flags, threads != 0 ? threads : detect_cpu().fast_cores, features);
    for (const std::string& encoding : flags.encodings) {
      const auto kernels = kernels_of(flags, encoding, features);
      if (kernels.empty()) {
        return invalid_argument(fmt::format("no kernel here computes {} with {} inputs{}", encoding, flags.input,
                                            flags.family.empty() ? "" : " in family " + flags.family));
      }
      for (const std::string& text : flags.shapes) {
        TERN_ASSIGN(bench::LayerShape shape, parse_shape(text, flags));
        for (const uint64_t tokens : flags.batches) {
          shape.tokens = tokens;
          TERN_ASSIGN(auto measured, bench.measure(kernels, encoding, shape));
          if (interrupted()) return stopped_by_user();
          std::move(measured.begin(), measured.end(), std::back_inserter(rows));
        }
      }
    }
  }
  return rows;
}

Status bench_kernels(const KernelFlags& flags) {
  try {
    TERN_ASSIGN(const auto rows, measure_kernels(flags));
    show_rows(kernel_json(rows), kernel_table(rows, flags.input_type()), flags.format);
    return flags.plot.empty() ? Status() : write_svg(roofline_of(rows, flags.input_type()), flags.plot);
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for a layer of this shape and --footprint");
  }
}

}  // namespace

void add_bench_kernels(CLI::App& bench, Action& chosen) {
  const auto o = std::make_shared<KernelFlags>();
  CLI::App* verb = bench.add_subcommand("kernels", "linear kernels beside the machine's limits; comma lists multiply");
  verb->add_option("--encoding", o->encodings,
                   "trit2, trit5 (1.6 bits), phase, int4, int6, int8, vout, vin8, vin16 (vectors), f32, f16, bf16")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("--shape", o->shapes, "ROWSxCOLUMNS of the layers")->delimiter(',')->capture_default_str();
  verb->add_option("-b,--batch", o->batches, "tokens at once")
      ->delimiter(',')
      ->check(CLI::Range(uint64_t{1}, uint64_t{65536}))
      ->capture_default_str();
  verb->add_option("-t,--threads", o->threads, "threads; 0: one per physical core, of fast and slow cores the fast")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1024u))
      ->capture_default_str();
  verb->add_option("--input", o->input, "activations: a8 (int8) or f32")
      ->check(CLI::IsMember({"a8", "f32"}))
      ->capture_default_str();
  verb->add_option("--planes,--stages", o->planes, "planes of trits or vectors, stages of phases")
      ->check(CLI::Range(1u, 4u))
      ->capture_default_str();
  verb->add_option("--group", o->group, "columns of a scale; 0: one scale a row")
      ->check(CLI::Range(0u, 65536u))
      ->capture_default_str();
  verb->add_flag("--tile", o->tile, "phase: 64 rows of U and W share the scales of a group");
  verb->add_option("--length", o->length, "values of a vector")->check(CLI::Range(2u, 32u))->capture_default_str();
  verb->add_option("--index-bits", o->index_bits, "bits of a vector's index")
      ->check(CLI::Range(1u, 16u))
      ->capture_default_str();
  verb->add_flag("--int8-codebooks", o->int8_codebooks, "vectors: codebooks of int8 for float activations too");
  verb->add_option("--footprint", o->footprint,
                   "MiB of weights that runs of one token go round, larger than the caches; 0: one layer, in cache")
      ->check(CLI::Range(0u, 65536u))
      ->capture_default_str();
  verb->add_option("--pairs", o->pairs,
                   "samples of each kernel, in turns with the limits and with the other kernels of its encoding")
      ->check(CLI::Range(1u, 10000u))
      ->capture_default_str();
  verb->add_option("--isa", o->isa, "highest instruction set to use")->envname("TERN_ISA")->capture_default_str();
  verb->add_option("--family", o->family, "only kernels of this family")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kFamilies), std::end(kFamilies))));
  verb->add_flag("--all", o->all, "every kernel that runs here, not the best of each family alone");
  verb->add_flag(
      "--onednn", o->onednn,
      "oneDNN beside dense floats as --dense onednn uses it, and its matmul of packed f32, bf16 or int8, where "
      "it is part of the build");
  verb->add_option("--plot", o->plot, "write a roofline picture (SVG) to this file");
  add_read_flag(*verb, o->read);
  add_rows_flag(*verb, o->format);
  verb->callback([o, &chosen] { chosen = [o] { return bench_kernels(*o); }; });
}

}  // namespace tern::app
