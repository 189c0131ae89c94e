// What the WebAssembly module needs of the C and C++ libraries, which come for 32-bit addresses only: memory on demand, a
// few functions, and what libc++'s headers leave to its archive. One source for modules of both widths. One thread alone
// calls this; other threads only compute.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

extern "C" void __wasm_call_ctors();
extern "C" __attribute__((export_name("_initialize"))) void sy_initialize() { __wasm_call_ctors(); }

// Nothing is destroyed at the end: there is none.
extern "C" int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }

extern "C" __attribute__((no_builtin("strlen"))) size_t strlen(const char* text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}

// The product of 128 bits whose upper half tells an overflow.
extern "C" __int128 __multi3(__int128 a, __int128 b) {
  const uint64_t x = (uint64_t)a, y = (uint64_t)b, mask = 0xffffffff;
  const uint64_t low = (x & mask) * (y & mask), middle = (x >> 32) * (y & mask) + (low >> 32);
  const uint64_t other = (x & mask) * (y >> 32) + (middle & mask);
  const uint64_t high = (x >> 32) * (y >> 32) + (middle >> 32) + (other >> 32) + (uint64_t)(a >> 64) * y + x * (uint64_t)(b >> 64);
  return (__int128)((unsigned __int128)high << 64 | (other << 32 | (low & mask)));
}

namespace {

// e^x, relative error under 1e-14: range reduction by ln 2 in two parts, then Taylor's series.
double exp_in_double(double x) {
  if (x != x) return x;
  x = x > 200 ? 200 : x < -200 ? -200 : x;  // what a float cannot tell from them
  const double n = __builtin_rint(x * 1.4426950408889634);
  const double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  double sum = 1;
  for (int i = 12; i > 0; i--) sum = 1 + sum * r / i;
  const int64_t exponent = ((int64_t)n + 1023) << 52;
  double scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return sum * scale;
}

}  // namespace

extern "C" float expf(float x) { return (float)exp_in_double(x); }

// For small x by its series, as e^2x - 1 would leave too few digits.
extern "C" float tanhf(float x) {
  const double u = x, size = u < 0 ? -u : u;
  if (size < 1e-3) return (float)(u - u * u * u / 3);
  const double e = exp_in_double(size + size);
  return std::copysign((float)((e - 1) / (e + 1)), x);
}

// Of numbers of at least 0: ln(2^n m) with m about 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series.
extern "C" double log1p(double x) {
  const double y = 1 + x;
  uint64_t bits;
  std::memcpy(&bits, &y, sizeof bits);
  // From 1 / sqrt 2 to sqrt 2.
  const int64_t n = (int64_t)((bits - 0x3fe6a09e667f3bcd) >> 52);
  bits -= (uint64_t)n << 52;
  double m;
  std::memcpy(&m, &bits, sizeof m);
  const double v = (m - 1) / (m + 1), q = v * v;
  double sum = 0;
  for (int i = 21; i > 0; i -= 2) sum = sum * q + 1.0 / i;
  return (double)n * 0.69314718055994530942 + 2 * v * sum;
}

void* operator new(size_t bytes) {
  void* p = std::malloc(bytes);
  // As without exceptions: JavaScript sees a trap.
  if (!p) __builtin_trap();
  return p;
}
const std::nothrow_t std::nothrow;
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

_LIBCPP_BEGIN_NAMESPACE_STD

void __libcpp_verbose_abort(const char*, ...) noexcept { __builtin_trap(); }

template class basic_string<char>;

namespace {

template <class T>
string decimal(T value) {
  char digits[24];
  char* const end = digits + sizeof digits;
  char* at = end;
  const bool negative = value < 0;
  do {
    const int digit = (int)(value % 10);
    *--at = (char)('0' + (digit < 0 ? -digit : digit));
    value /= 10;
  } while (value != 0);
  if (negative) *--at = '-';
  return string(at, (size_t)(end - at));
}

}  // namespace

string to_string(int value) { return decimal(value); }
string to_string(long long value) { return decimal(value); }
string to_string(unsigned long value) { return decimal(value); }

// Of shared_ptr; counts are below the true ones by 1.
__shared_count::~__shared_count() {}
__shared_weak_count::~__shared_weak_count() {}
void __shared_weak_count::__release_weak() noexcept {
  if (__shared_weak_owners_-- == 0) __on_zero_shared_weak();
}
__shared_weak_count* __shared_weak_count::lock() noexcept {
  if (__shared_owners_ == -1) return nullptr;
  __shared_owners_++;
  return this;
}
const void* __shared_weak_count::__get_deleter(const type_info&) const noexcept { return nullptr; }

_LIBCPP_END_NAMESPACE_STD
