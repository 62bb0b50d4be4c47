// Cooperative scheduling of the threads of a block on one processor.
//
// A fiber is a stack and a saved execution context. A fiber runs a CUDA thread to its end, then the
// next one: a kernel without barriers costs one call per thread. A thread that reaches a barrier
// keeps its fiber, with all its variables, and another fiber runs the next thread. Once every
// thread waits at the barrier, all continue.
//
//     thread 0   ───┤                 ├───
//     thread 1          ───┤              ├───            time runs to the right;
//     thread 2                 ───┤           ├───        ┤ reaches, ├ leaves the barrier
//
// Nothing runs in parallel, and yet ThreadSanitizer finds races: see sanitizers.h.
#include "cuda_on_cpu.h"

#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "sanitizers.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace on_cpu {

// A barrier of all threads of the block, or of the lanes of one warp.
struct Barrier {
  explicit Barrier(unsigned members) : members(members) {}
  unsigned members, present = 0, times = 0;
  Place place = {};     // where the first thread waits
  bool mismatched = false;    // another thread waits at another place
  char event[2] = {};   // for the sanitizer: this use of the barrier, and the next
};

struct Fiber : Stack {
  jmp_buf here;                // saved execution context
  unsigned number = 0;         // of the CUDA thread that it runs
  Barrier* barrier = nullptr;  // that the thread waits at
};

static Fiber home, *now = &home, *last;    // the scheduler; the running fiber; the one before
static std::vector<Fiber*> idle, waiting;  // fibers without a thread; fibers at a barrier
static std::vector<Fiber*> spent;          // without a thread, not reused in this block
static std::vector<Barrier> barriers;      // of the block, then of each of its warps
static size_t threads, started, returned;  // of the block
static void (*body)(void*);                // the kernel call of one thread
static void* argument;
static char* memory;                       // their shared memory
static char launched, ended;               // events
static char trouble[1000];                 // error message; empty: none

// ---- fibers

constexpr size_t STACK = 64 << 10, GUARD = 64 << 10;

static void run_threads();

static void* map(size_t size) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static Fiber* new_fiber() {
  char* pages = static_cast<char*>(map(GUARD + STACK));
  mprotect(pages, GUARD, PROT_NONE);  // a stack that overflows stops the program here
  auto* fiber = new Fiber();
  fiber->lowest = pages + GUARD;
  fiber->size = STACK;
  fiber->thread = new_thread();
  return fiber;
}

static void end(Fiber* fiber) {
  munmap(static_cast<char*>(const_cast<void*>(fiber->lowest)) - GUARD, GUARD + STACK);
  delete fiber;
}

static void first_steps() {
  arrive(*now, *last);
  run_threads();
}

// Save this context and continue the next one. setcontext starts a new fiber on its stack. All later
// switches use longjmp, because setcontext makes a system call for the signal mask every time.
static void switch_to(Fiber& next, bool is_new = false) {
  leave(*now, next);
  last = now;
  now = &next;
  if (_setjmp(last->here) == 0) {
    if (!is_new) _longjmp(next.here, 1);
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = const_cast<void*>(next.lowest);
    context.uc_stack.ss_size = next.size;
    makecontext(&context, first_steps, 0);
    setcontext(&context);
  }
  arrive(*now, *last);
}

// ---- execution order; a correct kernel gives the same result in any order

enum { FORWARD, BACKWARD, MIXED };
static unsigned direction;

struct Order {
  size_t count, first = 0, step = 1;
  explicit Order(size_t count) : count(count) {
    if (direction == BACKWARD) first = step = count - 1;
    if (direction == MIXED)  // a step coprime to the count visits all
      for (first = count / 3, step = count * 5 / 8 + 1; std::gcd(step, count) != 1;) ++step;
  }
  size_t operator[](size_t i) const { return (first + i * step) % count; }
};

// ---- a block

static void set_thread(unsigned number) {
  now->number = number;
  threadIdx.x = number % blockDim.x;
  threadIdx.y = number / blockDim.x % blockDim.y;
  threadIdx.z = number / (blockDim.x * blockDim.y);
}

static void run_thread(unsigned number) {
  set_thread(number);
  become(now->thread);
  happens_after(&launched);
  body(argument);
  happens_before(&ended);
  become(home.thread);
  ++returned;
}

// The main loop of a fiber.
static void run_threads() {
  for (;;) {
    while (started < threads) {
      run_thread(Order(threads)[started++]);
      if (ONE_THREAD_A_STACK) break;
    }
    spent.push_back(now);
    switch_to(home);
  }
}

static void wait_for(Barrier& barrier, Place place) {
  void* event = &barrier.event[barrier.times % 2];
  happens_before(event);
  become(home.thread);  // from here on the scheduler runs
  if (barrier.present++ == 0) barrier.place = place;
  if (barrier.place != place) barrier.mismatched = true;
  now->barrier = &barrier;
  waiting.push_back(now);
  switch_to(home);
  set_thread(now->number);
  become(now->thread);
  happens_after(event);
}

void block_barrier(Place place) { wait_for(barriers[0], place); }
void warp_barrier(Place place) { wait_for(barriers[1 + now->number / warpSize], place); }

// Start every thread; each runs until it waits or returns.
static void start_all() {
  while (started < threads) {
    if (idle.empty()) {
      switch_to(*new_fiber(), true);
    } else {
      Fiber* fiber = idle.back();
      idle.pop_back();
      switch_to(*fiber);
    }
  }
}

// Resume the threads of barriers at which all have arrived. Returns whether there were any.
static bool resume_complete() {
  auto must_wait = [](Fiber* fiber) {
    Barrier& m = *fiber->barrier;
    return m.mismatched || m.present < m.members;
  };
  auto middle = std::stable_partition(waiting.begin(), waiting.end(), must_wait);
  std::vector<Fiber*> free(middle, waiting.end());
  waiting.erase(middle, waiting.end());
  for (Fiber* fiber : free)
    if (std::exchange(fiber->barrier->present, 0)) ++fiber->barrier->times;
  for (size_t i = 0; i < free.size(); ++i) switch_to(*free[Order(free.size())[i]]);
  return !free.empty();
}

// Write an error message that names the barrier that some threads did not reach.
static void report_missing() {
  const Barrier& barrier = *waiting[0]->barrier;
  int used = snprintf(trouble, sizeof trouble,
                      "%s:%d: all %u threads of a %s must come to this barrier. %u came",
                      barrier.place.first, barrier.place.second, barrier.members,
                      &barrier == &barriers[0] ? "block" : "warp", barrier.present);
  const char* why =
      barrier.mismatched ? " to this one or another" : "; %zu threads of the block returned";
  snprintf(trouble + used, sizeof trouble - used, why, returned);
}

static void run_block() {
  started = returned = 0;
  start_all();
  while (!waiting.empty()) {
    if (resume_complete()) continue;
    report_missing();
    for (Fiber* fiber : waiting) end(fiber);
    waiting.clear();
  }
  idle.insert(idle.end(), spent.begin(), spent.end());
  spent.clear();
}

// ---- shared memory of a block: the words that threads publish, then dynamic shared memory

unsigned thread_number() { return now->number; }
unsigned warp_lanes() { return barriers[1 + now->number / warpSize].members; }
static size_t registers() {
  return (threads + warpSize - 1) / warpSize * warpSize * WORDS * sizeof(uint64_t);
}
void* dynamic_shared() { return memory + registers(); }
uint64_t* warp_registers() {
  return reinterpret_cast<uint64_t*>(memory) + now->number / warpSize * warpSize * WORDS;
}

// ---- the grid

// A guard page follows the shared memory of a block.
static void renew_memory(size_t bytes, size_t pages) {
  memory = static_cast<char*>(map(pages));
  forbid(memory + bytes, pages - bytes);
}

static void end_memory(size_t pages) {
  allow(memory, pages);
  munmap(memory, pages);
}

static void run_blocks(size_t blocks, size_t bytes, size_t pages) {
  const Order sequence(blocks);
  for (size_t i = 0; i < blocks && !*trouble; ++i) {
    const size_t block = sequence[i];
    blockIdx.x = block % gridDim.x;
    blockIdx.y = block / gridDim.x % gridDim.y;
    blockIdx.z = block / gridDim.x / gridDim.y;
    barriers.assign(1, Barrier(threads));
    for (size_t first = 0; first < threads; first += warpSize)
      barriers.push_back(Barrier(std::min<size_t>(warpSize, threads - first)));
    memset(memory, 0xff, bytes);  // floats: NaN, because shared memory is not initialized
    happens_before(&launched);
    run_block();
    if (ONE_THREAD_A_STACK) end_memory(pages), renew_memory(bytes, pages);
#ifdef BLOCKS_IN_ORDER  // static shared memory is the same for all blocks: its reuse is no race
    happens_after(&ended);
#endif
  }
}

// `shape` is gridDim, blockDim and the execution order. The caller ensures that only one grid runs
// at a time.
const char* run_grid(const char* kernel, const unsigned* shape, size_t shared,
                     void (*thread)(void*), void* what) {
  gridDim = {shape[0], shape[1], shape[2]};
  blockDim = {shape[3], shape[4], shape[5]};
  direction = shape[6];
  threads = size_t(blockDim.x) * blockDim.y * blockDim.z;
  body = thread;
  argument = what;
  home.thread = myself();
  *trouble = 0;

  const size_t bytes = registers() + shared, pages = bytes + 4096;
  renew_memory(bytes, pages);
  run_blocks(size_t(gridDim.x) * gridDim.y * gridDim.z, bytes, pages);
  happens_after(&ended);
  end_memory(pages);

  if (!*trouble) return nullptr;
  const size_t used = strlen(trouble);
  snprintf(trouble + used, sizeof trouble - used, " (%s, block %u, %u, %u).", kernel, blockIdx.x,
           blockIdx.y, blockIdx.z);
  return trouble;
}

}  // namespace on_cpu
