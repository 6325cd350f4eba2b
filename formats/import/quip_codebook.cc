#include "formats/import/quip_codebook.h"

#include <array>
#include <bit>

namespace tern {
namespace {

using Point = std::array<float, kQuipLength>;

float square(const Point& p) {
  float sum = 0;
  for (const float x : p) sum += x * x;
  return sum;
}

float sum_of(const Point& p) {
  float sum = 0;
  for (const float x : p) sum += x;
  return sum;
}

bool odd_sum(const Point& p) { return static_cast<int>(sum_of(p)) % 2 != 0; }

// All points with coordinates first, first + 1, ... (`values` of them), the last coordinate fastest, that `keep` keeps.
template <class Keep>
void enumerate(float first, unsigned values, Keep keep, std::vector<Point>& points) {
  unsigned count = 1;
  for (unsigned i = 0; i < kQuipLength; ++i) count *= values;
  for (unsigned n = 0; n < count; ++n) {
    Point p;
    unsigned rest = n;
    for (unsigned i = kQuipLength; i-- > 0; rest /= values) p[i] = first + static_cast<float>(rest % values);
    if (keep(p)) points.push_back(p);
  }
}

// Of the points of norm 12, whose coordinates are 3/2 five times and 1/2 three times, these: doubled coordinates.
constexpr const char* kNorm12[] = {"31113333", "13113333", "11313333", "11133333", "33313311", "33313131",
                                   "33311331", "33313113", "33311313", "33311133", "33133311", "33133131",
                                   "33131331", "33133113", "33131313", "33131133", "31333311", "31333131",
                                   "31331331", "31333113", "31331313", "13331133", "13333311", "13333131",
                                   "13331331", "13333113", "13331313", "11331333", "33113331"};

std::vector<Point> absolute_values() {
  std::vector<Point> points;
  enumerate(
      0.5f, 3, [](const Point& p) { return square(p) <= 10; }, points);
  for (const char* text : kNorm12) {
    Point& p = points.emplace_back();
    for (uint32_t i = 0; i < kQuipLength; ++i) p[i] = static_cast<float>(text[i] - '0') / 2;
  }
  for (Point& p : points) {
    if (odd_sum(p)) p[7] = -p[7];
  }
  return points;
}

}  // namespace

std::vector<float> e8p_codebook() {
  constexpr unsigned kSignOf[] = {0, 4, 1, 5, 2, 6, 3, 7};
  const std::vector<Point> points = absolute_values();
  std::vector<float> book;
  for (unsigned code = 0; code < 65536; ++code) {
    const Point& p = points[code >> 8];
    const unsigned parity = static_cast<unsigned>(std::popcount(code & 255)) % 2, signs = (code & 255) ^ parity;
    for (uint32_t i = 0; i < kQuipLength; ++i) {
      book.push_back((signs >> kSignOf[i] & 1 ? -p[i] : p[i]) + (parity != 0 ? -0.25f : 0.25f));
    }
  }
  return book;
}

std::vector<float> e8_residual_codebook() {
  const auto in_e8 = [](const Point& p) { return square(p) <= 2 && !odd_sum(p); };
  std::vector<Point> points;
  enumerate(-1.f, 3, in_e8, points);
  enumerate(-0.5f, 2, in_e8, points);
  for (uint32_t i = 0; i < 2 * kQuipLength - 1; ++i) {
    points.emplace_back(Point{})[i % kQuipLength] = i < kQuipLength ? 2.f : -2.f;
  }
  std::vector<float> book;
  for (const Point& p : points) book.insert(book.end(), p.begin(), p.end());
  return book;
}

}  // namespace tern
