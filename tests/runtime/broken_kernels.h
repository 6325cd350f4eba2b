// Kernels with defects, first in the lists of every program that this file is linked into: it defines
// linear_kernels() and element_kernels(), and a program's own object wins over the archive's (lists.cc).
#pragma once

#include <atomic>
#include <vector>

#include "kernels/dispatch/dispatch.h"

namespace tern::test {

// How often one of the broken linear kernels ran.
extern std::atomic<int> broken_runs;

// Tables of which each has one broken function; not all of them are in the list.
std::vector<ElementKernels> broken_elements();

bool is_broken(const LinearKernelEntry& kernel);
bool is_broken(const ElementKernels& table);

}  // namespace tern::test
