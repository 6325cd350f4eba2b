#include "apps/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/interrupt.h"

namespace tern::app {

std::string human_bytes(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string human_count(uint64_t count) {
  const double value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} B", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.2f} M", value / 1e6);
  if (count >= 1'000) return fmt::format("{:.2f} K", value / 1e3);
  return std::to_string(count);
}

Result<std::string> read_text(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) return not_found(fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text;
  char buffer[1 << 16];
  size_t got;
  while ((got = std::fread(buffer, 1, sizeof buffer, file)) > 0) text.append(buffer, got);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  std::fclose(file);
  if (failed) return io_error(fmt::format("{}: {}", path, std::strerror(error)));
  return text;
}

ProgressBar::ProgressBar(std::string label) : label_(std::move(label)), visible_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (drawn_ >= 0) fmt::print(stderr, "\r\x1b[K");
}

ProgressCallback ProgressBar::callback() {
  return [this](const Progress& progress) {
    if (visible_) draw(progress);
    return !interrupted();
  };
}

void ProgressBar::draw(const Progress& progress) {
  const double now = timer_.seconds();
  if (drawn_ >= 0 && now - drawn_ < 0.1) return;
  drawn_ = now;
  constexpr size_t kWidth = 30;
  const double share = progress.total ? static_cast<double>(progress.done) / static_cast<double>(progress.total) : 0;
  const size_t full = std::min(kWidth, static_cast<size_t>(share * kWidth));
  fmt::print(stderr, "\r\x1b[K{} [{:#<{}}{:.<{}}] {:3.0f}% {}", label_, "", full, "", kWidth - full, share * 100,
             progress.what);
  std::fflush(stderr);
}

}  // namespace tern::app
