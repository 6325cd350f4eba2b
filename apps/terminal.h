// What the user sees: sizes in words, a progress bar, files read whole.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/progress.h"
#include "base/status.h"

namespace tern::app {

std::string human_bytes(uint64_t bytes);  // "12.3 MiB"
std::string human_count(uint64_t count);  // "5.2 M"

Result<std::string> read_text(const std::string& path);

// Seconds since construction.
class Timer {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// One line on stderr, only when that is a terminal; gone when the bar is destroyed. Its callback
// asks the work to stop after Ctrl-C.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  ProgressCallback callback();

 private:
  void draw(const Progress& progress);
  std::string label_;
  bool visible_;
  double drawn_ = -1;
  Timer timer_;
};

}  // namespace tern::app
