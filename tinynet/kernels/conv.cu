// Convolution as a matrix product whose matrices are never built (implicit GEMM). The equations are
// in conv.py, the product in tile_product.cuh. A block computes one group, blockIdx.y.
#include "tinynet.cuh"
#include "block_reduce.cuh"
#include "tile_product.cuh"

struct Geometry {
  int N, C, H, W, OC, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, groups;

  __device__ int members() const { return C / groups; }          // input channels of a group
  __device__ int filters() const { return OC / groups; }         // output channels of a group
  __device__ int taps() const { return KH * KW; }
  __device__ Index pixels() const { return Index(OH) * OW; }
};

// ---- forward: filters (filters, c p q) @ windows (c p q, n i j)

struct Filters {
  static constexpr bool ALONG_SUM = true;
  const real* weight;  // of the group
  Index length;        // of a filter: C / groups * KH * KW
  __device__ const real* row(Index o) const { return weight + o * length; }
};

// The pixels of one window; zeros outside the image.
struct Window {
  const real* x;  // the channels of the group, in one image
  const Geometry& g;
  int h0, w0;
  __device__ real operator[](Index k) const {
    const int q = k % g.KW, p = k / g.KW % g.KH, c = k / g.taps();
    const int h = h0 + g.DH * p, w = w0 + g.DW * q;
    const bool inside = 0 <= h && h < g.H && 0 <= w && w < g.W;
    return inside ? x[(Index(c) * g.H + h) * g.W + w] : real(0);
  }
};

struct Windows {
  static constexpr bool ALONG_SUM = false;
  const real* x;
  const Geometry& g;
  int group;
  __device__ Window column(Index at) const {
    const int j = at % g.OW, i = at / g.OW % g.OH;
    const Index n = at / g.pixels(), c = n * g.C + group * g.members();
    return {x + c * g.H * g.W, g, g.SH * i - g.PH, g.SW * j - g.PW};
  }
};

extern "C" __global__ void __launch_bounds__(256) conv2d_forward(
    const real* x,       // (N, C, H, W)
    const real* weight,  // (OC, C / groups, KH, KW)
    const real* bias,    // (OC,), or null
    int N, int C, int H, int W, int OC, int OH, int OW, int KH, int KW, int SH, int SW, int PH,
    int PW, int DH, int DW, int groups, bool relu,
    real* y)  // (N, OC, OH, OW)
{
  const Geometry g{N, C, H, W, OC, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, groups};
  const int group = blockIdx.y, o0 = group * g.filters();
  const Index length = Index(g.members()) * g.taps();
  const auto write = [&](Index o, Index at, real sum) {
    const Index n = at / g.pixels(), pixel = at % g.pixels();
    if (bias) sum += bias[o0 + o];
    y[(n * g.OC + o0 + o) * g.pixels() + pixel] = relu ? rectified(sum) : sum;
  };
  tile_product(Filters{weight + o0 * length, length}, Windows{x, g, group}, g.filters(),
               g.N * g.pixels(), 0, length, write);
}

// ---- gradient of the input: filters (c, o p q) @ gradients of windows on a pixel (o p q, n h w)

struct TransposedFilter {
  const real* weight;  // of input channel c
  const Geometry& g;
  __device__ real operator[](Index k) const {
    const Index o = k / g.taps();
    return weight[o * g.members() * g.taps() + k % g.taps()];
  }
};

struct TransposedFilters {
  static constexpr bool ALONG_SUM = true;
  const real* weight;  // of the group
  const Geometry& g;
  __device__ TransposedFilter row(Index c) const { return {weight + c * g.taps(), g}; }
};

// The gradients of the windows over one pixel, by filter and tap; zero for a tap that lies over the
// pixel in no window.
struct PixelGradient {
  const real* gy;  // the channels of the group, in one image
  const Geometry& g;
  int h, w;        // of the pixel in the padded image
  __device__ real operator[](Index k) const {
    const int q = k % g.KW, p = k / g.KW % g.KH, o = k / g.taps();
    const int below = h - g.DH * p, beside = w - g.DW * q, i = below / g.SH, j = beside / g.SW;
    const bool covered = below >= 0 && beside >= 0 && below % g.SH == 0 && beside % g.SW == 0;
    return covered && i < g.OH && j < g.OW ? gy[(Index(o) * g.OH + i) * g.OW + j] : real(0);
  }
};

struct PixelGradients {
  static constexpr bool ALONG_SUM = false;
  const real* gy;
  const Geometry& g;
  int group;
  __device__ PixelGradient column(Index at) const {
    const int w = at % g.W, h = at / g.W % g.H;
    const Index n = at / g.W / g.H, o = n * g.OC + group * g.filters();
    return {gy + o * g.pixels(), g, h + g.PH, w + g.PW};
  }
};

extern "C" __global__ void __launch_bounds__(256) conv2d_backward_input(
    const real* gy,      // (N, OC, OH, OW)
    const real* weight,  // (OC, C / groups, KH, KW)
    int N, int C, int H, int W, int OC, int OH, int OW, int KH, int KW, int SH, int SW, int PH,
    int PW, int DH, int DW, int groups,
    real* gx)  // (N, C, H, W)
{
  const Geometry g{N, C, H, W, OC, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, groups};
  const int group = blockIdx.y;
  const Index length = Index(g.filters()) * g.taps(), image = Index(H) * W;
  const auto write = [&](Index c, Index at, real sum) {
    gx[(at / image * g.C + group * g.members() + c) * image + at % image] = sum;
  };
  tile_product(TransposedFilters{weight + group * length * g.members(), g},
               PixelGradients{gy, g, group}, g.members(), g.N * image, 0, length, write);
}

// ---- gradient of the weights: gy (o, n i j) @ windows (n i j, c p q)
//
// The sums are long and the results are few (split-K): each blockIdx.z computes one part of every
// sum, and a second kernel adds the parts in a fixed order.

struct OutputGradient {
  const real* gy;  // channel o of the first image
  const Geometry& g;
  __device__ real operator[](Index k) const {
    return gy[k / g.pixels() * g.OC * g.pixels() + k % g.pixels()];
  }
};

struct OutputGradients {
  static constexpr bool ALONG_SUM = true;
  const real* gy;
  const Geometry& g;
  int group;
  __device__ OutputGradient row(Index o) const {
    return {gy + (group * g.filters() + o) * g.pixels(), g};
  }
};

// The pixels under one tap (c, p, q), in all windows of all images.
struct Tap {
  const real* x;  // channel c of the first image
  const Geometry& g;
  int h0, w0;
  __device__ real operator[](Index k) const {
    const int j = k % g.OW, i = k / g.OW % g.OH, h = h0 + g.SH * i, w = w0 + g.SW * j;
    const Index n = k / g.pixels();
    const bool inside = 0 <= h && h < g.H && 0 <= w && w < g.W;
    return inside ? x[(n * g.C * g.H + h) * g.W + w] : real(0);
  }
};

struct Taps {
  static constexpr bool ALONG_SUM = true;
  const real* x;
  const Geometry& g;
  int group;
  __device__ Tap column(Index at) const {
    const int q = at % g.KW, p = at / g.KW % g.KH;
    const Index c = group * g.members() + at / g.taps();
    return {x + c * g.H * g.W, g, g.DH * p - g.PH, g.DW * q - g.PW};
  }
};

extern "C" __global__ void __launch_bounds__(256) conv2d_backward_weight(
    const real* gy,  // (N, OC, OH, OW)
    const real* x,   // (N, C, H, W)
    int N, int C, int H, int W, int OC, int OH, int OW, int KH, int KW, int SH, int SW, int PH,
    int PW, int DH, int DW, int groups,
    Index part,     // terms of one part of a sum
    real* gweight)  // (parts, OC, C / groups, KH, KW)
{
  const Geometry g{N, C, H, W, OC, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, groups};
  const int group = blockIdx.y;
  const Index length = Index(g.members()) * g.taps(), terms = g.N * g.pixels();
  const Index first = Index(blockIdx.z) * part;
  real* result = gweight + (Index(blockIdx.z) * g.OC + group * g.filters()) * length;
  const auto write = [&](Index o, Index at, real sum) { result[o * length + at] = sum; };
  tile_product(OutputGradients{gy, g, group}, Taps{x, g, group}, g.filters(), length, first,
               min(first + part, terms), write);
}

// One thread per element.
extern "C" __global__ void add_parts(const real* parts,  // (count, size)
                                     Index count, Index size,
                                     real* total)  // (size,)
{
  const Index at = thread_in_grid();
  if (at >= size) return;
  wide sum = 0;
  for (Index i = 0; i < count; ++i) sum += parts[i * size + at];
  total[at] = sum;
}

// ---- bias and ReLU after a product by cuBLAS; one thread per element

extern "C" __global__ void add_bias(real* y,           // (N, OC, pixels)
                                    const real* bias,  // (OC,), or null
                                    Index size, int OC, Index pixels, bool relu)
{
  const Index at = thread_in_grid();
  if (at >= size) return;
  const real sum = bias ? y[at] + bias[at / pixels % OC] : y[at];
  y[at] = relu ? rectified(sum) : sum;
}

// ---- gradient of the bias, in two stages: blocks that sum a channel of some images, then all parts

// Calls visit(at) for each element of channel blockIdx.x in the images of part blockIdx.y, where at is
// its index in (N, OC, pixels). A thread divides only once, at its beginning.
template <class Visit>
__device__ void visit_channel(int N, int OC, Index pixels, int images, const Visit& visit) {
  const Index me = threadIdx.x, threads = blockDim.x;
  const int rows = threads / pixels, first = blockIdx.y * images, last = min(first + images, N);
  const Index step = threads - rows * pixels;
  int n = me / pixels;
  Index pixel = me - n * pixels;
  for (n += first; n < last;) {
    visit((Index(n) * OC + blockIdx.x) * pixels + pixel);
    n += rows;
    pixel += step;
    if (pixel >= pixels) {
      pixel -= pixels;
      ++n;
    }
  }
}

// One block per channel and part.
extern "C" __global__ void conv2d_backward_bias(const real* __restrict__ gy,  // (N, OC, pixels)
                                                int N, int OC, Index pixels,
                                                int images,   // of one part
                                                wide* sums)   // (parts, OC)
{
  wide sum = 0;
  visit_channel(N, OC, pixels, images, [&](Index at) { sum += gy[at]; });
  sum = block_reduce(sum, Add());
  if (threadIdx.x == 0) sums[blockIdx.y * OC + blockIdx.x] = sum;
}

// The same for a fused ReLU: also writes the gradient masked by y > 0.
extern "C" __global__ void relu_backward(const real* __restrict__ gy, const real* __restrict__ y,
                                         int N, int OC, Index pixels,
                                         int images,                // of one part
                                         real* __restrict__ masked,  // (N, OC, pixels), as gy and y
                                         wide* sums)                // (parts, OC)
{
  wide sum = 0;
  visit_channel(N, OC, pixels, images, [&](Index at) {
    const real gradient = gy[at], value = y[at];  // two loads at once, not one behind the other
    const real passed = value > 0 ? gradient : real(0);
    masked[at] = passed;
    sum += passed;
  });
  sum = block_reduce(sum, Add());
  if (threadIdx.x == 0) sums[blockIdx.y * OC + blockIdx.x] = sum;
}

// One thread per channel.
extern "C" __global__ void add_sums(real* gbias,       // (OC,)
                                    const wide* sums,  // (parts, OC)
                                    int parts, int OC)
{
  const Index c = thread_in_grid();
  if (c >= OC) return;
  wide sum = 0;
  for (int part = 0; part < parts; ++part) sum += sums[part * OC + c];
  gbias[c] = sum;
}
