// Annotations of fibers for AddressSanitizer and ThreadSanitizer; empty in an ordinary build.
#pragma once
#include <stddef.h>

#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace on_cpu {

struct Stack {
  const void* lowest = nullptr;
  size_t size = 0;
  void* notes = nullptr;   // AddressSanitizer's, while the stack is not in use
  void* thread = nullptr;  // ThreadSanitizer's handle of the thread that runs on it
};

// AddressSanitizer must know the stack in use, or its reports end at a wrong frame.
#ifdef ADDRESS_SANITIZER
inline void leave(Stack& from, Stack& to) {
  __sanitizer_start_switch_fiber(&from.notes, to.lowest, to.size);
}
inline void arrive(Stack& to, Stack& from) {
  __sanitizer_finish_switch_fiber(to.notes, &from.lowest, &from.size);
}
inline void forbid(void* memory, size_t size) { ASAN_POISON_MEMORY_REGION(memory, size); }
inline void allow(void* memory, size_t size) { ASAN_UNPOISON_MEMORY_REGION(memory, size); }
#else
inline void leave(Stack&, Stack&) {}
inline void arrive(Stack&, Stack&) {}
inline void forbid(void*, size_t) {}
inline void allow(void*, size_t) {}
#endif

// For ThreadSanitizer each CUDA thread is a thread of its own. Switching between them creates no
// happens-before relation; only events do.
#ifdef THREAD_SANITIZER
constexpr bool ONE_THREAD_A_STACK = true;  // or two threads would seem to share variables
inline void* myself() { return __tsan_get_current_fiber(); }
inline void* new_thread() { return __tsan_create_fiber(0); }
inline void become(void* thread) { __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync); }
inline void happens_before(void* event) { __tsan_release(event); }
inline void happens_after(void* event) { __tsan_acquire(event); }
#else
constexpr bool ONE_THREAD_A_STACK = false;
inline void* myself() { return nullptr; }
inline void* new_thread() { return nullptr; }
inline void become(void*) {}
inline void happens_before(void*) {}
inline void happens_after(void*) {}
#endif

}  // namespace on_cpu
