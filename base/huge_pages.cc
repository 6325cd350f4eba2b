#include "base/huge_pages.h"

#include <sys/mman.h>

namespace tern {

void wish_huge_pages(void* p, size_t size) { ::madvise(p, size, MADV_HUGEPAGE); }

}  // namespace tern
