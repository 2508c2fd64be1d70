#pragma once
/// \file
/// Which sanitizer a test was compiled with: UNROLL_TEST_ASAN, UNROLL_TEST_TSAN.

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_TEST_ASAN
#endif
#if defined(__SANITIZE_THREAD__)
#define UNROLL_TEST_TSAN
#endif
#if defined(__has_feature)  // clang's way
#if __has_feature(address_sanitizer)
#define UNROLL_TEST_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define UNROLL_TEST_TSAN
#endif
#endif
