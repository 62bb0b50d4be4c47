// Gradient of a convolution's weights as a matrix product whose matrices are never built (implicit
// GEMM): gy (o, n i j) @ pixels under the tap (n i j, c p q). The equation is in conv.py.
//
// A block computes 64 filters of 8 or 24 input channels and all taps, 64 x 28 x 8 sums. It walks over
// tiles of up to 64 output pixels, keeps their gradients in shared memory, and the pixels under all of
// their windows, the patch. For tap (p, q) the pixel of window (i, j) lies p rows and q columns
// further: so a pixel is loaded once, not once for each tap.
//
//                                        taps of 8 channels
//                                       ┌──┬──┬──┬── ─┬──┐
//                        64 pixels      │  │  │  │    │  │ 64 pixels: the patch, shifted by the tap
//                       ┌────────┐      └──┴──┴──┴── ─┴──┘
//            64 filters │   gy   │      ┌──┬──┬──┬── ─┬──┐
//                       │        │      │  │  │  │    │  │ a warp: 32 filters x 7 taps
//                       └────────┘      └──┴──┴──┴── ─┴──┘
//
// The sums are long and the results are few (split-K): each blockIdx.z computes one part of every sum,
// and `add_parts` of conv.cu adds the parts in a fixed order. A word of bfloat16 holds the numbers of
// two images. While a block multiplies, the numbers of its next tile are on their way into registers.
#include "tinynet.cuh"
#include "precision.cuh"
#include "phases.cuh"

#ifndef OCTETS
#define OCTETS 3  // of channels: 1 for up to 28 taps, 3 for up to 9
#endif
constexpr int FILTERS = 64, PIXELS = 64, THREADS = 256, WARPS = 4;  // warps side by side
constexpr int COLUMNS = 7;                     // taps of 8 channels, for each warp
constexpr int SPAN = OCTETS == 1 ? 256 : 128;  // pixels of a patch at most
constexpr int PLANE = SPAN + 4;  // words; + 4: what a warp reads at once lies in different banks
constexpr int ROW = PIXELS + 4, WORD = sizeof(unsigned);

// The word that lies so many bytes behind the first: an address of one addition, without a shift.
__device__ inline unsigned word_at(const unsigned* words, int bytes) {
  return *reinterpret_cast<const unsigned*>(reinterpret_cast<const char*>(words) + bytes);
}

// ---- the product of a warp: 32 filters x COLUMNS x 8 channels

// On the tensor cores.
struct TensorProduct {
  float sum[2][COLUMNS][4] = {};
  int column[COLUMNS];  // where the tap of 8 channels begins in the patch, in bytes
  const int lane = threadIdx.x % 32, row = lane / 4, step = lane % 4;

  __device__ static int channel_read() { return threadIdx.x % 32 / 4; }

  __device__ void add(const unsigned* gradients, const unsigned* patch, const int* place, int pixels) {
#pragma unroll 2
    for (int k0 = 0; k0 < pixels; k0 += 8) {
      const int k = k0 + step;
      const int first = place[k], second = place[k + 4];
      uint4 a[2];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const unsigned* upper = gradients + (m * 16 + row) * ROW + k;
        const unsigned* lower = upper + 8 * ROW;
        a[m] = {upper[0], lower[0], upper[4], lower[4]};
      }
#pragma unroll
      for (int u = 0; u < COLUMNS; ++u) {
        const unsigned b[2] = {word_at(patch, column[u] + first), word_at(patch, column[u] + second)};
#pragma unroll
        for (int m = 0; m < 2; ++m) multiply_add(sum[m][u], a[m], b);
      }
    }
  }

  // Calls write(filter, channel, value) for all sums of a column.
  template <class Write>
  __device__ void each(int u, const Write& write) const {
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        write(m * 16 + row + i / 2 * 8, step * 2 + i % 2, sum[m][u][i]);
  }
};

// In float32: a lane computes 8 filters of one channel of each column.
struct ScalarProduct {
  static constexpr int ROWS = 8;
  float sum[ROWS][COLUMNS] = {};
  int column[COLUMNS];
  const int first = threadIdx.x % 32 / 8;  // filter; the others follow in steps of 4

  __device__ static int channel_read() { return threadIdx.x % 8; }

  __device__ void add(const unsigned* gradients, const unsigned* patch, const int* place, int pixels) {
#pragma unroll 4
    for (int k = 0; k < pixels; ++k) {
      float a[ROWS], b[COLUMNS];
#pragma unroll
      for (int i = 0; i < ROWS; ++i) a[i] = float_of(gradients[(first + i * 4) * ROW + k]);
#pragma unroll
      for (int u = 0; u < COLUMNS; ++u) b[u] = float_of(word_at(patch, column[u] + place[k]));
#pragma unroll
      for (int i = 0; i < ROWS; ++i)
#pragma unroll
        for (int u = 0; u < COLUMNS; ++u) sum[i][u] += a[i] * b[u];
    }
  }

  template <class Write>
  __device__ void each(int u, const Write& write) const {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) write(first + i * 4, threadIdx.x % 8, sum[i][u]);
  }
};

typedef Choice<TensorProduct, ScalarProduct>::Product Product;

// ---- the numbers of a tile

// One place in the tiles of all images: a thread carries it in COUNT channels.
template <int COUNT, class Stored>
struct Carrier {
  Stored held[COUNT][PAIR];

  // at(i) is the place in the i-th channel of image n, and exists(i) whether there is one.
  template <class Exists, class At>
  __device__ void load(const Stored* __restrict__ x, Index image, int n, int N, const Exists& exists,
                       const At& at) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
      const Index place = at(i);
      const bool there = exists(i);
#pragma unroll
      for (int e = 0; e < PAIR; ++e) {
        const bool image_there = there & (n + e < N);
        const Stored value = x[image_there ? place + e * image : 0];
        held[i][e] = selected(image_there, value);
      }
    }
  }

  __device__ void store(unsigned* words, int step) const {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) words[i * step] = word_of(held[i][0], held[i][PAIR - 1]);
  }
};

// ---- the kernel

extern "C" __global__ void __launch_bounds__(256) conv2d_weight_tile(
    const StoredY* __restrict__ gy,  // (N, OC, OH, OW)
    const StoredX* __restrict__ x,   // (N, C, H, W)
    int N, int C, int H, int W, int OC, int OH, int OW, int KH, int KW,  // taps of a phase
    int SH, int SW, int PH, int PW, int DH, int DW, int groups,
    int FH, int FW,                     // taps of a filter
    int images, int rows, int columns,  // of a tile; images in words
    int tiles,                          // of the batch
    int share,                          // of a block
    real* __restrict__ parts)  // (gridDim.z, OC, C / groups, FH, FW)
{
  __shared__ unsigned gradients[FILTERS * ROW], patch[8 * OCTETS * PLANE];
  __shared__ int place[PIXELS];  // of a pixel's window in the patch, in bytes
  const int me = threadIdx.x, members = C / groups, filters = OC / groups, taps = KH * KW;
  const int filter_tiles = (filters + FILTERS - 1) / FILTERS, group = blockIdx.y / filter_tiles;
  const int o0 = blockIdx.y % filter_tiles * FILTERS, c0 = blockIdx.x * 8 * OCTETS;
  const int across = (OW + columns - 1) / columns, down = (OH + rows - 1) / rows;
  const int patch_rows = SH * (rows - 1) + DH * (KH - 1) + 1;
  const int patch_columns = SW * (columns - 1) + DW * (KW - 1) + 1;
  const int pixels = images * rows * columns;

  // the output pixel, and the place in the patch, that this thread carries
  const int out = me % PIXELS, out_row = out / columns, out_image = out_row / rows;
  const int out_i = out_row % rows, out_j = out % columns, o = me / PIXELS;
  const int in = me % SPAN, in_row = in / patch_columns, in_image = in_row / patch_rows;
  const int in_h = in_row % patch_rows * PHASES_H - PH, c = me / SPAN;
  const int in_w = in % patch_columns * PHASES_W - PW;
  constexpr int O_STEP = THREADS / PIXELS, C_STEP = THREADS / SPAN;
  Carrier<FILTERS / O_STEP, StoredY> gradient;
  Carrier<8 * OCTETS / C_STEP, StoredX> pixel;
  int spot;

  const auto load = [&](int tile) {
    const int j = tile % across * columns, i = tile / across % down * rows;
    const int word = tile / across / down * images;
    int n = (word + out_image) * PAIR;
    const int oh = i + out_i, ow = j + out_j;
    bool inside = out < pixels && n < N && oh < OH && ow < OW;
    // where no pixel is, 0 times the first pixel's window is added
    spot = inside ? (out_image * patch_rows + SH * out_i) * patch_columns + SW * out_j : 0;
    const Index first = ((Index(n) * OC + group * filters + o0 + o) * OH + oh) * OW + ow;
    const Index plane = Index(OH) * OW;
    gradient.load(gy, OC * plane, n, N,
                  [&](int i) { return inside && i * O_STEP < filters - o0 - o; },
                  [&](int i) { return first + i * O_STEP * plane; });
    n = (word + in_image) * PAIR;
    const int h = SH * i * PHASES_H + in_h, w = SW * j * PHASES_W + in_w;
    inside = in_image < images && n < N;
    const auto pixel_exists = [&](int h, int w) {  // without a branch, so that loads overlap
      return inside & (unsigned(h) < unsigned(H)) & (unsigned(w) < unsigned(W));
    };
    const Index size = Index(H) * W, origin = (Index(n) * C + group * members) * size + h * W + w;
    if (PHASES == 1) {
      inside = pixel_exists(h, w);
      pixel.load(x, C * size, n, N, [&](int i) { return inside && i * C_STEP < members - c0 - c; },
                 [&](int i) { return origin + (c0 + c + i * C_STEP) * size; });
    } else {
      pixel.load(x, C * size, n, N,
                 [&](int i) {
                   const Phase phase = phase_of(c0 + c + i * C_STEP);
                   return (phase.channel < members) & pixel_exists(h + phase.down, w + phase.right);
                 },
                 [&](int i) {
                   const Phase phase = phase_of(c0 + c + i * C_STEP);
                   return origin + (phase.channel * Index(H) + phase.down) * W + phase.right;
                 });
    }
  };
  const auto store = [&]() {
    gradient.store(gradients + o * ROW + out, O_STEP * ROW);
    pixel.store(patch + c * PLANE + in, C_STEP * PLANE);
    if (me < PIXELS) place[me] = spot * WORD;
  };

  const int warp = me / 32, half = warp / WARPS * 32;
  Product product;
#pragma unroll
  for (int u = 0; u < COLUMNS; ++u) {
    const int at = min(warp % WARPS * COLUMNS + u, OCTETS * taps - 1), tap = at % taps;
    product.column[u] = ((at / taps * 8 + Product::channel_read()) * PLANE +
                         tap / KW * DH * patch_columns + tap % KW * DW) * WORD;
  }

  const int first = blockIdx.z * share, last = min(first + share, tiles);
  if (first < last) load(first);
  for (int tile = first; tile < last; ++tile) {
    store();
    __syncthreads();
    if (tile + 1 < last) load(tile + 1);
    product.add(gradients + half * ROW, patch, place, pixels);
    __syncthreads();
  }

  const Index size = Index(FH) * FW;  // of a filter's channel
  real* result = parts + (Index(blockIdx.z) * OC + group * filters + o0 + half) * members * size;
#pragma unroll
  for (int u = 0; u < COLUMNS; ++u) {
    const int at = warp % WARPS * COLUMNS + u, octet = c0 + at / taps * 8, tap = at % taps;
    product.each(u, [&](int filter, int channel, float sum) {
      const Phase phase = phase_of(octet + channel);
      const int p = tap / KW * PHASES_H + phase.down, q = tap % KW * PHASES_W + phase.right;
      const bool exists = at < OCTETS * taps && o0 + half + filter < filters;
      if (exists && phase.channel < members && p < FH && q < FW)
        result[(Index(filter) * members + phase.channel) * size + p * FW + q] = sum;
    });
  }
}
