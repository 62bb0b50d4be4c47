// Phases of a stride: a convolution with a stride as one without, of more channels.
//
// With a stride of S, the rows S*i + d belong to phase d. Tap S*p + d of any window lies in that phase,
// p of its rows below the window's first. So each phase of a channel counts as a channel, and 11x11 taps
// with a stride of 4 are 3x3 taps, with a stride of 1, of 16 times as many channels.
//
//     rows    0  1  2  3  4  5  6  7  8  9 10          phase 0:  0  4  8      phase 2:  2  6 10
//     phase   0  1  2  3  0  1  2  3  0  1  2          phase 1:  1  5  9      phase 3:  3  7
#pragma once

#ifndef PHASES_H
#define PHASES_H 1  // of the rows: the stride, or 1 where a patch keeps its stride
#endif
#ifndef PHASES_W
#define PHASES_W 1
#endif
constexpr int PHASES = PHASES_H * PHASES_W;

// A channel of x, and the pixel at which one of its phases begins.
struct Phase {
  int channel, down, right;
};

__device__ inline Phase phase_of(int channel) {
  return {channel / PHASES, channel % PHASES / PHASES_W, channel % PHASES_W};
}
