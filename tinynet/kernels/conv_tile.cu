// Convolution as a matrix product whose matrices are never built (implicit GEMM), and the gradient of
// its input, which is the convolution of gy with the filters rotated by 180 degrees. The equations
// are in conv.py, how a batch is divided among blocks in convolution/tile.py.
//
// A block computes FILTERS output channels for 128 output pixels, or 32 for 256: a rectangle of one image, or small
// images side by side. It keeps the pixels under all of its windows in shared memory, the patch. The
// columns of an im2col are then the patch itself, shifted: for tap (p, q) the pixel of window (i, j)
// lies p rows and q columns further. So a pixel is loaded once, not once for each tap.
//
//                 one channel of x          patch, 8 words deep        shifted by a tap
//                ┌───────────────┐          ┌─────────────┐             ┌─────────────┐
//                │ ┌─────────┐   │          │╔═════════╗  │             │  ╔═════════╗│
//                │ │  patch  │   │    →     │║ tap 0, 0║  │      →      │  ║ tap p, q║│
//                │ └─────────┘   │          │╚═════════╝  │             │  ╚═════════╝│
//                └───────────────┘          └─────────────┘             └─────────────┘
//
//     for each 8 words of channels:            a word is one channel, or two of bfloat16
//       for each tap:
//         sum (FILTERS, 128) += filters (FILTERS, 8 words) @ shifted patch (8 words, 128)
//
// While a block multiplies, the filters of the next taps and the next patch are on their way: filters
// by asynchronous copies, which need no registers; pixels through registers, where they are rounded.
#include "tinynet.cuh"
#include "precision.cuh"
#include "add_parts.cuh"
#include "async_copy.cuh"
#include "phases.cuh"

#ifndef FILTERS
#define FILTERS 64  // of a block: 32, 64 or 96
#endif
#ifndef PLACES
#define PLACES 2  // of the patch, for each thread: 1 to 4
#endif
#ifndef TAPS
#define TAPS 5  // whose filters are in shared memory at once
#endif
constexpr int THREADS = 128, DEPTH = 8;
constexpr int WIDTH = FILTERS == 32 ? 64 : 32;  // pixels of a warp
constexpr int TAP = DEPTH * FILTERS, STAGE = TAPS * TAP;  // words
constexpr int PLANE = THREADS * PLACES + 8;   // + 8: the planes that a warp reads lie in other banks

// ---- filters in the order in which the lanes of a warp need them

// Which filter and which word of channels lies at a word of one tap.
__device__ inline void element_at(int word, int& filter, int& channel) {
  if (PRECISION == FLOAT32) {
    channel = word / FILTERS;
    filter = word % FILTERS;
  } else {  // the four words of a lane, see precision.cuh, one behind the other
    const int lane = word / 4 % 32, part = word % 4;
    filter = word / 128 * 16 + lane / 4 + part % 2 * 8;
    channel = lane % 4 + part / 2 * 4;
  }
}

// One thread per word. In a backward pass the threads behind the last word do the last step of the
// other gradients, which saves a launch.
extern "C" __global__ void pack_filters(
    const real* __restrict__ weight,
    int groups, int filters, int members,  // filters and channels of a group
    int KH, int KW, int filter_step, int member_step,  // numbers from one filter, or channel, to the next
    int group_step, bool rotated,
    Index size,
    unsigned* __restrict__ packed,  // (groups, tiles of filters, chunks of channels, stages, STAGE)
    real* gweight, real* gbias, const real* parts,  // of add_parts.cuh
    Index count, Index gradients, const wide* sums, int shares, int OC)
{
  const Index at = thread_in_grid();
  if (at >= size) {
    add_parts_of(at - size, gweight, gbias, parts, count, gradients, sums, shares, OC);
    return;
  }
  const int across = (KW + PHASES_W - 1) / PHASES_W, taps = (KH + PHASES_H - 1) / PHASES_H * across;
  const int stages = (taps + TAPS - 1) / TAPS, tiles = (filters + FILTERS - 1) / FILTERS;
  const int channels = members * PHASES, chunks = (channels + DEPTH * PAIR - 1) / (DEPTH * PAIR);
  int filter, channel;
  element_at(at % TAP, filter, channel);
  int rest = at / TAP;
  const int tap = rest % (TAPS * stages);
  rest /= TAPS * stages;
  const int chunk = rest % chunks, tile = rest / chunks % tiles, group = rest / chunks / tiles;
  filter += tile * FILTERS;
  channel = (chunk * DEPTH + channel) * PAIR;

  const real* first = weight + Index(group) * group_step + Index(filter) * filter_step;
  float numbers[2] = {};
  for (int i = 0; i < PAIR; ++i) {
    const Phase phase = phase_of(channel + i);
    const int p = tap / across * PHASES_H + phase.down, q = tap % across * PHASES_W + phase.right;
    const int place = rotated ? (KH - p) * KW - q - 1 : p * KW + q;
    if (filter < filters && channel + i < channels && tap < taps && p < KH && q < KW)
      numbers[i] = first[Index(phase.channel) * member_step + place];
  }
  packed[at] = word_of(numbers[0], numbers[1]);
}

// ---- the product of a warp: FILTERS x WIDTH pixels

// On the tensor cores: FILTERS / 16 x WIDTH / 8 tiles of 16 x 8.
struct TensorProduct {
  static constexpr int COLUMNS = WIDTH / 8;
  float sum[FILTERS / 16][COLUMNS][4] = {};
  int place[COLUMNS];  // in the patch, for tap (0, 0)
  const int lane = threadIdx.x % 32;

  __device__ static int pixel_read(int column) {
    return threadIdx.x / 32 * WIDTH + column * 8 + threadIdx.x % 32 / 4;
  }
  __device__ static int plane_read() { return threadIdx.x % 4; }

  __device__ void add(const unsigned* filters, const unsigned* patch) {
    unsigned b[COLUMNS][2];
#pragma unroll
    for (int u = 0; u < COLUMNS; ++u) b[u][0] = patch[place[u]], b[u][1] = patch[place[u] + 4 * PLANE];
#pragma unroll
    for (int m = 0; m < FILTERS / 16; ++m) {
      const uint4 a = *reinterpret_cast<const uint4*>(filters + m * 128 + lane * 4);
#pragma unroll
      for (int u = 0; u < COLUMNS; ++u) multiply_add(sum[m][u], a, b[u]);
    }
  }

  // Calls write(filter, value) for all sums of the i-th of MINE pixels.
  static constexpr int MINE = 2 * COLUMNS;
  __device__ int pixel(int i) const {
    return threadIdx.x / 32 * WIDTH + i / 2 * 8 + lane % 4 * 2 + i % 2;
  }
  template <class Write>
  __device__ void each(int i, const Write& write) const {
#pragma unroll
    for (int m = 0; m < FILTERS / 16; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        write(m * 16 + lane / 4 + half * 8, sum[m][i / 2][half * 2 + i % 2]);
  }
};

// In float32: a lane computes FILTERS / 8 filters of WIDTH / 4 pixels.
struct ScalarProduct {
  static constexpr int ROWS = FILTERS / 8, COLUMNS = WIDTH / 4;
  float sum[ROWS][COLUMNS] = {};
  int place[COLUMNS];
  const int first = threadIdx.x % 32 / 4 * ROWS;  // filter

  __device__ static int pixel_read(int column) {
    return threadIdx.x / 32 * WIDTH + column * 4 + threadIdx.x % 4;
  }
  __device__ static int plane_read() { return 0; }

  __device__ void add(const unsigned* filters, const unsigned* patch) {
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      float a[ROWS], b[COLUMNS];
#pragma unroll
      for (int i = 0; i < ROWS; i += 4) {
        const uint4 four = *reinterpret_cast<const uint4*>(filters + k * FILTERS + first + i);
        a[i] = float_of(four.x), a[i + 1] = float_of(four.y);
        a[i + 2] = float_of(four.z), a[i + 3] = float_of(four.w);
      }
#pragma unroll
      for (int j = 0; j < COLUMNS; ++j) b[j] = float_of(patch[place[j] + k * PLANE]);
#pragma unroll
      for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int j = 0; j < COLUMNS; ++j) sum[i][j] += a[i] * b[j];
    }
  }

  static constexpr int MINE = COLUMNS;
  __device__ int pixel(int i) const { return pixel_read(i); }
  template <class Write>
  __device__ void each(int i, const Write& write) const {
#pragma unroll
    for (int m = 0; m < ROWS; ++m) write(first + m, sum[m][i]);
  }
};

typedef Choice<TensorProduct, ScalarProduct>::Product Product;

// ---- the pixels of a patch

// A thread carries the same PLACES places of the patch for every chunk of channels.
struct Carrier {
  const StoredX* __restrict__ x;
  const int channels, H, W;  // of the group; a phase is a channel
  Index from[PLACES];
  int row[PLACES], column[PLACES];
  bool inside[PLACES];  // for one phase: whether the pixel exists; else whether its image does
  StoredX held[PLACES][DEPTH * PAIR];

  __device__ bool exists(int s, int channel, const Phase& phase) const {
    const bool known = inside[s] && channel < channels;
    if (PHASES == 1) return known;
    const int h = row[s] + phase.down, w = column[s] + phase.right;
    return known && 0 <= h && h < H && 0 <= w && w < W;
  }

  __device__ void load(int chunk) {
#pragma unroll
    for (int s = 0; s < PLACES; ++s)
#pragma unroll
      for (int k = 0; k < DEPTH * PAIR; ++k) {
        const int channel = chunk * DEPTH * PAIR + k;
        const Phase phase = phase_of(channel);
        const bool there = exists(s, channel, phase);
        const Index step = (Index(phase.channel) * H + phase.down) * W + phase.right;
        const StoredX value = x[there ? from[s] + step : 0];  // no branch, so that loads overlap
        held[s][k] = selected(there, value);
      }
  }

  __device__ void store(unsigned* patch) const {
#pragma unroll
    for (int s = 0; s < PLACES; ++s)
#pragma unroll
      for (int k = 0; k < DEPTH; ++k)
        patch[k * PLANE + s * THREADS + threadIdx.x] =
            word_of(held[s][k * PAIR], held[s][k * PAIR + PAIR - 1]);
  }
};

// ---- the kernel

extern "C" __global__ void __launch_bounds__(128) conv2d_tile(
    const StoredX* __restrict__ x,        // (N, C, H, W)
    const unsigned* __restrict__ packed,  // of pack_filters
    const real* __restrict__ bias,        // (OC,), or null
    int N, int C, int H, int W, int OC, int OH, int OW, int KH, int KW,  // taps of a phase
    int SH, int SW, int PH, int PW, int DH, int DW, int groups,
    int images, int rows, int columns,    // of a block
    bool relu,
    StoredY* __restrict__ y)  // (N, OC, OH, OW)
{
  __shared__ __align__(16) unsigned filters[2][STAGE];
  __shared__ unsigned patch[2][DEPTH * PLANE];
  __shared__ float shift[FILTERS];
  const int me = threadIdx.x, members = C / groups, outputs = OC / groups, taps = KH * KW;
  const int tiles = (outputs + FILTERS - 1) / FILTERS, group = blockIdx.y / tiles;
  const int o0 = blockIdx.y % tiles * FILTERS;
  const int across = (OW + columns - 1) / columns, down = (OH + rows - 1) / rows;
  const int j0 = blockIdx.x % across * columns, i0 = blockIdx.x / across % down * rows;
  const int n0 = blockIdx.x / across / down * images;
  const int patch_rows = SH * (rows - 1) + DH * (KH - 1) + 1;
  const int patch_columns = SW * (columns - 1) + DW * (KW - 1) + 1;

  if (me < FILTERS) {
    const bool exists = bias && o0 + me < outputs;
    shift[me] = exists ? float(bias[group * outputs + o0 + me]) : 0.0f;
  }
  Carrier carrier{x, members * PHASES, H, W};
#pragma unroll
  for (int s = 0; s < PLACES; ++s) {
    const int at = s * THREADS + me, row = at / patch_columns, n = n0 + row / patch_rows;
    const int h = (SH * i0 + row % patch_rows) * PHASES_H - PH;
    const int w = (SW * j0 + at % patch_columns) * PHASES_W - PW;
    const bool exists = PHASES > 1 || (0 <= h && h < H && 0 <= w && w < W);
    carrier.inside[s] = row < images * patch_rows && n < N && exists;
    carrier.from[s] = ((Index(n) * C + group * members) * H + h) * W + w;
    carrier.row[s] = h;
    carrier.column[s] = w;
  }
  Product product;
#pragma unroll
  for (int u = 0; u < Product::COLUMNS; ++u) {
    const int at = min(Product::pixel_read(u), images * rows * columns - 1), row = at / columns;
    product.place[u] = (row / rows * patch_rows + SH * (row % rows)) * patch_columns +
                       SW * (at % columns) + Product::plane_read() * PLANE;
  }

  const int parts = (taps + TAPS - 1) / TAPS;  // in which the taps of one chunk are multiplied
  const int chunks = (members * PHASES + DEPTH * PAIR - 1) / (DEPTH * PAIR), stages = chunks * parts;
  const unsigned* source = packed + Index(blockIdx.y) * stages * STAGE;
  const auto fetch = [&](int stage) {
    for (int i = me * 4; i < STAGE; i += THREADS * 4)
      begin_copy(&filters[stage % 2][i], source + Index(stage) * STAGE + i);
  };
  fetch(0);
  carrier.load(0);
  carrier.store(patch[0]);
  await_copies();
  __syncthreads();

  int chunk = 0, part = 0, q = 0, offset = 0;
  for (int stage = 0; stage < stages; ++stage) {
    const bool ends = part == parts - 1, carries = ends && chunk < chunks - 1;
    if (stage < stages - 1) fetch(stage + 1);
    if (carries) carrier.load(chunk + 1);
    const int count = min(TAPS, taps - part * TAPS);
#pragma unroll 1
    for (int t = 0; t < count; ++t) {
      product.add(filters[stage % 2] + t * TAP, patch[chunk % 2] + offset);
      offset += DW;
      if (++q == KW) {
        q = 0;
        offset += DH * patch_columns - DW * KW;
      }
    }
    if (carries) carrier.store(patch[(chunk + 1) % 2]);
    ++part;
    if (ends) {
      part = q = offset = 0;
      ++chunk;
    }
    await_copies();
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < Product::MINE; ++i) {
    const int at = product.pixel(i), row = at / columns, n = n0 + row / rows;
    const int oh = i0 + row % rows, ow = j0 + at % columns;
    if (row >= images * rows || n >= N || oh >= OH || ow >= OW) continue;
    StoredY* first = y + ((Index(n) * OC + group * outputs) * OH + oh) * OW + ow;
    product.each(i, [&](int filter, float sum) {
      sum += shift[filter];
      const int o = o0 + filter;
      if (o < outputs) first[Index(o) * OH * OW] = relu ? rectified(sum) : sum;
    });
  }
}
