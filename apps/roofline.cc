#include "apps/roofline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "base/atomic_file.h"

namespace tern::app {
namespace {

constexpr double kWidth = 900, kHeight = 520, kLeft = 70, kRight = 330, kTop = 40, kBottom = 60;

// Powers of ten around all values, spread over [from, to] of the picture.
class Axis {
 public:
  Axis(double low, double high, double from, double to)
      : low_(std::floor(std::log10(low))), high_(std::ceil(std::log10(high))), from_(from), to_(to) {}
  double at(double value) const { return from_ + (std::log10(value) - low_) / (high_ - low_) * (to_ - from_); }
  double lowest() const { return std::pow(10, low_); }
  double highest() const { return std::pow(10, high_); }

 private:
  double low_, high_, from_, to_;
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

class Picture {
 public:
  explicit Picture(const Roofline& plot)
      : plot_(plot),
        x_(least(true) / 2, greatest(true) * 2, kLeft, kWidth - kRight),
        y_(least(false) / 2, std::max(plot.peak, greatest(false)), kHeight - kBottom, kTop) {}

  std::string svg() {
    add("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' font-family='sans-serif' font-size='12'>\n",
        kWidth, kHeight);
    add("<rect width='100%' height='100%' fill='white'/>\n");
    text(kLeft, 22, "start", plot_.title);
    grid();
    roof();
    points();
    return out_ + "</svg>\n";
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }
  void text(double x, double y, const char* anchor, const std::string& words) {
    add("<text x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>\n", x, y, anchor, escaped(words));
  }
  void line(double x1, double y1, double x2, double y2, const char* style) {
    add("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' {}/>\n", x1, y1, x2, y2, style);
  }
  double value(const Roofline::Point& p, bool intensity) const { return intensity ? p.intensity : p.rate; }
  double least(bool intensity) const {
    double v = value(plot_.points[0], intensity);
    for (const auto& p : plot_.points) v = std::min(v, value(p, intensity));
    return v;
  }
  double greatest(bool intensity) const {
    double v = value(plot_.points[0], intensity);
    for (const auto& p : plot_.points) v = std::max(v, value(p, intensity));
    return v;
  }

  void grid() {
    for (double v = x_.lowest(); v <= x_.highest() * 1.01; v *= 10) {
      line(x_.at(v), kTop, x_.at(v), kHeight - kBottom, "stroke='#ddd'");
      text(x_.at(v), kHeight - kBottom + 18, "middle", fmt::format("{:g}", v));
    }
    for (double v = y_.lowest(); v <= y_.highest() * 1.01; v *= 10) {
      line(kLeft, y_.at(v), kWidth - kRight, y_.at(v), "stroke='#ddd'");
      text(kLeft - 8, y_.at(v) + 4, "end", fmt::format("{:g}", v / 1e9));
    }
    text((kLeft + kWidth - kRight) / 2, kHeight - 16, "middle", "products per byte of weights");
    text(8, kTop - 8, "start", "G products/s");
  }

  void roof() {
    const char* style = "stroke='black' stroke-width='1.5'";
    const double ridge = std::clamp(plot_.peak / plot_.read, x_.lowest(), x_.highest());
    const double begin = std::max(x_.lowest(), y_.lowest() / plot_.read);
    const double top = plot_.peak > 0 ? plot_.peak : plot_.read * x_.highest();
    line(x_.at(begin), y_.at(begin * plot_.read), x_.at(ridge), y_.at(ridge * plot_.read), style);
    line(x_.at(ridge), y_.at(top), x_.at(x_.highest()), y_.at(top), style);
    text(kWidth - kRight + 8, kTop, "start",
         fmt::format("read {:.1f} GB/s, {} peak {:.0f} G/s", plot_.read / 1e9, plot_.input, plot_.peak / 1e9));
  }

  void points() {
    static constexpr const char* kColours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"};
    double y = kTop + 22;
    size_t i = 0;
    for (const auto& p : plot_.points) {
      const char* colour = kColours[i++ % std::size(kColours)];
      add("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='{}'/>\n", x_.at(p.intensity), y_.at(p.rate), colour);
      add("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='{}'/>\n", kWidth - kRight + 14, y - 4, colour);
      text(kWidth - kRight + 24, y, "start", fmt::format("{}: {:.1f} G/s", p.label, p.rate / 1e9));
      y += 17;
    }
  }

  const Roofline& plot_;
  Axis x_, y_;
  std::string out_;
};

}  // namespace

Status write_svg(const Roofline& plot, const std::string& path) {
  if (plot.points.empty() || plot.read <= 0) return invalid_argument("there is nothing to plot");
  TERN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  const std::string svg = Picture(plot).svg();
  TERN_TRY(file.append(std::as_bytes(std::span(svg))));
  return file.commit();
}

}  // namespace tern::app
