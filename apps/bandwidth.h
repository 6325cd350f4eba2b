// The limit that a decode speed is shown beside: how fast this machine reads memory, now.
#pragma once

namespace tern::app {

// Bytes per second of `threads` threads that each sum a share of a buffer larger than most caches: the best of
// several passes within about a third of a second.
double measure_read_bandwidth(unsigned threads);

}  // namespace tern::app
