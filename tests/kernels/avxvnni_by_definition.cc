// The AVX-VNNI kernels with their one new instruction replaced by what it means, in AVX2. Like a kernel's file this one
// shares no inline function with others.
#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/linear/trit/trit_telescoped.h"
#include "kernels/simd/signs_avx2.h"

namespace {

// Four products of an unsigned and a signed byte added to an int32: bytes 0 and 2, then 1 and 3, as products of int16.
__m256i dpbusd_by_definition(__m256i sums, __m256i codes, __m256i input) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(255)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(input, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(codes, 8), _mm256_srai_epi16(input, 8));
  return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}

}  // namespace

#define _mm256_dpbusd_avx_epi32 dpbusd_by_definition
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(trit_avxvnni_by_definition, trit_dot<AvxVnni>)
TERN_DEFINE_LINEAR(trit5_avxvnni_by_definition, trit5_telescoped<AvxVnni>)
TERN_DEFINE_LINEAR(phase_avxvnni_by_definition, phase_dot<Signs256<AvxVnni>>)
TERN_DEFINE_LINEAR(int4_avxvnni_by_definition, int_dot<AvxVnni, 4>)
TERN_DEFINE_LINEAR(int6_avxvnni_by_definition, int_dot<AvxVnni, 6>)
TERN_DEFINE_LINEAR(int8_avxvnni_by_definition, int_dot<AvxVnni, 8>)

}  // namespace tern
