#include "apps/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace tern::app {
namespace {

constexpr std::pair<std::string_view, std::string_view> kSpelledOut[] = {{"-ngl", "--n-gpu-layers"},
                                                                         {"-ctk", "--cache-type-k"},
                                                                         {"-ctv", "--cache-type-v"},
                                                                         {"-ub", "--ubatch-size"},
                                                                         {"-sys", "--system-prompt"}};

// Levenshtein distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

// The verb that was being parsed: errors speak of its flags.
const CLI::App& deepest(const CLI::App& root) {
  const auto chosen = root.get_subcommands();
  return chosen.empty() ? root : deepest(*chosen.front());
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back(fmt::format("--{}", name));
  }
  for (const CLI::App* verb : app.get_subcommands({})) flags.push_back(verb->get_name());
  return flags;
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t d = distance(word, candidate);
    if (d < best_distance) best = candidate, best_distance = d;
  }
  return best;
}

}  // namespace

std::vector<std::string> spell_out_flags(int argc, const char* const* argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  for (std::string& word : words) {
    for (const auto& [from, to] : kSpelledOut) {
      if (word == from) word = to;
    }
  }
  return words;
}

std::string explain(const CLI::ParseError& error, const CLI::App& root) {
  const CLI::App& app = deepest(root);
  const std::string help = app.get_parent() ? fmt::format("tern {} --help", app.get_display_name()) : "tern help";
  const auto remaining = root.remaining(true);
  if (remaining.empty()) return fmt::format("{} (see {})", error.what(), help);
  const auto flag = std::find_if(remaining.begin(), remaining.end(), [](const auto& w) { return w.starts_with('-'); });
  const std::string word = flag == remaining.end() ? remaining.front() : flag->substr(0, flag->find('='));
  const std::string near = nearest(word, flags_of(app));
  const std::string hint = near.empty() ? "" : fmt::format("; did you mean {}?", near);
  return fmt::format("unknown {} '{}'{} (see {})", word.starts_with('-') ? "flag" : "argument", word, hint, help);
}

Status stopped_by_user() { return aborted(""); }

}  // namespace tern::app
