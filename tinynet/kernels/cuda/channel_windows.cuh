// Windows over the channels of a pixel, for response normalization.
#pragma once

// The terms of a window that slides from channel to channel. N is a compile-time constant, so that
// all indices are known and the terms stay in registers.
template <int N>
struct Window {
  real term[N] = {};

  __device__ void push(real next) {
#pragma unroll
    for (int i = 0; i + 1 < N; ++i) term[i] = term[i + 1];
    term[N - 1] = next;
  }
  __device__ real sum() const {
    real total = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) total += term[i];
    return total;
  }
};

// A thread computes a run of channels of one pixel. Consecutive threads have consecutive pixels, so
// that their reads coalesce.
struct Run {
  Index pixel;           // offset of channel 0 of this pixel
  int first, last;       // the channels of this thread: first .. last - 1
  int lowest, highest;   // the group around them

  // A group has `runs` of `length` channels; the last one may be shorter.
  __device__ Run(Index at, int C, int HW, int groups, int runs, int length) {
    const int run = at / HW % runs, group = at / HW / runs % groups, members = C / groups;
    pixel = at / HW / runs / groups * C * HW + at % HW;
    lowest = group * members;
    highest = lowest + members;
    first = lowest + run * length;
    last = min(first + length, highest);
  }
};
