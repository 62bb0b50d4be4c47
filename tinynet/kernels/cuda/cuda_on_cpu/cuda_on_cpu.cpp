// How the threads of a block take turns on one processor.
//
// A fiber is a stack, and a place in a program at which to go on. A fiber takes a CUDA thread and
// runs it to its end, then the next one: a kernel without barriers costs one call for each thread.
// A thread that reaches a barrier keeps its fiber, with all its variables, and another fiber takes
// the next thread. Once every thread waits at the barrier, all may go on.
//
//     thread 0   ───┤                 ├───
//     thread 1          ───┤              ├───            time goes to the right;
//     thread 2                 ───┤           ├───        ┤ reaches, ├ leaves the barrier
//
// Nothing runs side by side, and yet ThreadSanitizer sees races: sanitizers.h tells it who is who.
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

// Who meets at a barrier: all threads of the block, or the lanes of one warp.
struct Meeting {
  explicit Meeting(unsigned members) : members(members) {}
  unsigned members, present = 0, times = 0;
  Place place = {};     // the barrier at which the first one arrived
  bool torn = false;    // another one arrived at another barrier
  char event[2] = {};   // for the sanitizer: the meeting of this time, and that of the next
};

struct Fiber : Stack {
  jmp_buf here;                // where to go on
  unsigned number = 0;         // of the CUDA thread that it runs
  Meeting* meeting = nullptr;  // for which that waits
};

static Fiber home, *now = &home, *last;    // the scheduler; who is running; who ran before
static std::vector<Fiber*> idle, waiting;  // fibers without a thread; fibers at a barrier
static std::vector<Fiber*> tired;          // without a thread, and without a turn in this block
static std::vector<Meeting> meetings;      // of the block, then of each of its warps
static size_t threads, started, returned;  // of the block
static void (*body)(void*);                // what each of them does
static void* argument;
static char* memory;                       // what they share
static char launched, ended;               // events
static char trouble[1000];                 // what went wrong; empty: nothing

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

// Rest here, go on there. setcontext brings a new fiber onto its stack; all later leaps are
// longjmp's, because setcontext asks the operating system about signals every time.
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

// ---- whose turn is it? A right kernel gives the same bits in any order.

enum { FORWARD, BACKWARD, MIXED };
static unsigned order;

struct Turns {
  size_t count, first = 0, step = 1;
  explicit Turns(size_t count) : count(count) {
    if (order == BACKWARD) first = step = count - 1;
    if (order == MIXED)  // a step that has no divisor in common with the count visits all
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

// The life of a fiber.
static void run_threads() {
  for (;;) {
    while (started < threads) {
      run_thread(Turns(threads)[started++]);
      if (ONE_THREAD_A_STACK) break;
    }
    tired.push_back(now);
    switch_to(home);
  }
}

static void wait_for(Meeting& meeting, Place place) {
  void* event = &meeting.event[meeting.times % 2];
  happens_before(event);
  become(home.thread);  // what follows is the scheduler's business
  if (meeting.present++ == 0) meeting.place = place;
  if (meeting.place != place) meeting.torn = true;
  now->meeting = &meeting;
  waiting.push_back(now);
  switch_to(home);
  set_thread(now->number);
  become(now->thread);
  happens_after(event);
}

void block_barrier(Place place) { wait_for(meetings[0], place); }
void warp_barrier(Place place) { wait_for(meetings[1 + now->number / warpSize], place); }

// Start every thread: each runs until it waits or returns.
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

// Let go whoever waits for a meeting at which all have arrived. Returns whether there was one.
static bool let_go() {
  auto must_wait = [](Fiber* fiber) {
    Meeting& m = *fiber->meeting;
    return m.torn || m.present < m.members;
  };
  auto middle = std::stable_partition(waiting.begin(), waiting.end(), must_wait);
  std::vector<Fiber*> free(middle, waiting.end());
  waiting.erase(middle, waiting.end());
  for (Fiber* fiber : free)
    if (std::exchange(fiber->meeting->present, 0)) ++fiber->meeting->times;
  for (size_t i = 0; i < free.size(); ++i) switch_to(*free[Turns(free.size())[i]]);
  return !free.empty();
}

// Say which barrier it is that somebody has missed.
static void complain() {
  const Meeting& meeting = *waiting[0]->meeting;
  int used = snprintf(trouble, sizeof trouble,
                      "%s:%d: all %u threads of a %s must come to this barrier. %u came",
                      meeting.place.first, meeting.place.second, meeting.members,
                      &meeting == &meetings[0] ? "block" : "warp", meeting.present);
  const char* why =
      meeting.torn ? " to this one or another" : "; %zu threads of the block returned";
  snprintf(trouble + used, sizeof trouble - used, why, returned);
}

static void run_block() {
  started = returned = 0;
  start_all();
  while (!waiting.empty()) {
    if (let_go()) continue;
    complain();
    for (Fiber* fiber : waiting) end(fiber);
    waiting.clear();
  }
  idle.insert(idle.end(), tired.begin(), tired.end());
  tired.clear();
}

// ---- what the threads of a block share: a word for each of them, then dynamic shared memory

unsigned thread_number() { return now->number; }
unsigned warp_lanes() { return meetings[1 + now->number / warpSize].members; }
static size_t registers() {
  return (threads + warpSize - 1) / warpSize * warpSize * sizeof(uint64_t);
}
void* dynamic_shared() { return memory + registers(); }
uint64_t* warp_registers() {
  return reinterpret_cast<uint64_t*>(memory) + now->number / warpSize * warpSize;
}

// ---- the grid

// A page behind what a block shares belongs to nobody.
static void renew_memory(size_t bytes, size_t pages) {
  memory = static_cast<char*>(map(pages));
  forbid(memory + bytes, pages - bytes);
}

static void end_memory(size_t pages) {
  allow(memory, pages);
  munmap(memory, pages);
}

static void run_blocks(size_t blocks, size_t bytes, size_t pages) {
  const Turns turns(blocks);
  for (size_t i = 0; i < blocks && !*trouble; ++i) {
    const size_t block = turns[i];
    blockIdx.x = block % gridDim.x;
    blockIdx.y = block / gridDim.x % gridDim.y;
    blockIdx.z = block / gridDim.x / gridDim.y;
    meetings.assign(1, Meeting(threads));
    for (size_t first = 0; first < threads; first += warpSize)
      meetings.push_back(Meeting(std::min<size_t>(warpSize, threads - first)));
    memset(memory, 0xff, bytes);  // floats: NaN. Nobody may count on what he finds there.
    happens_before(&launched);
    run_block();
    if (ONE_THREAD_A_STACK) end_memory(pages), renew_memory(bytes, pages);
#ifdef BLOCKS_IN_ORDER  // static shared memory is the same for all blocks: no race if they reuse it
    happens_after(&ended);
#endif
  }
}

// `shape` is gridDim, blockDim, and the order of turns. The caller sees to it that only one grid
// runs at a time.
const char* run_grid(const char* kernel, const unsigned* shape, size_t shared,
                     void (*thread)(void*), void* what) {
  gridDim = {shape[0], shape[1], shape[2]};
  blockDim = {shape[3], shape[4], shape[5]};
  order = shape[6];
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
