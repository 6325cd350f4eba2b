// A roofline picture (Williams et al. 2009): the lower of memory speed times intensity and the peak, with points.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace tern::app {

struct Roofline {
  struct Point {
    double intensity, rate;  // products per byte of weights; products per second
    std::string label;
  };
  std::string title;
  std::string input = "int8";  // what is multiplied
  double read = 0, peak = 0;   // bytes and products per second
  std::vector<Point> points;
};

// Both axes logarithmic. Writes the file under a temporary name first.
Status write_svg(const Roofline& plot, const std::string& path);

}  // namespace tern::app
