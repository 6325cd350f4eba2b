// While it lives, parallel regions that the calling thread begins have one member: oneDNN takes, and plans for, as many
// threads as OpenMP would give, also within a team of one.
#pragma once

#include <omp.h>

namespace tern {

class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
};

}  // namespace tern
