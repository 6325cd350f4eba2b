// Large pages for memory that is walked in long strides or read from end to end: page tables limit neither then.
#pragma once

#include <cstddef>

namespace tern {

inline constexpr size_t kHugePage = size_t{2} << 20;

// Asks the kernel for huge pages under [p, p + size), before it is touched: a wish, which may not be granted. REQUIRES
// that both are multiples of kHugePage.
void wish_huge_pages(void* p, size_t size);

}  // namespace tern
