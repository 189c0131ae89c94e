#include "platform.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(_WIN32)
#error "the native build is not made for Windows yet; the reference backend is used there"
#endif

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace steelyard {

#if defined(__SANITIZE_ADDRESS__)
// From the heap, where the sanitizer sees the ends of what it gave.
char* allocate_pages(size_t bytes, bool) {
  char* p = (char*)std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (p) std::memset(p, 0, bytes);
  return p;
}

void free_pages(char* data, size_t) { std::free(data); }
#else
char* allocate_pages(size_t bytes, bool whole) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  // Fewer page faults, and fewer address translations when it is streamed.
  if (whole) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return (char*)p;
}

void free_pages(char* data, size_t bytes) {
  if (data) munmap(data, bytes);
}
#endif

const char* map_file(const char* path, size_t* bytes, std::string* problem) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    *problem = std::string(path) + ": " + std::strerror(errno);
    if (fd >= 0) close(fd);
    return nullptr;
  }
  *bytes = (size_t)status.st_size;
  void* p = mmap(nullptr, *bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) *problem = std::string(path) + ": " + std::strerror(errno);
  close(fd);
  return p == MAP_FAILED ? nullptr : (const char*)p;
}

void fetch_pages(const char* data, size_t bytes) {
#if defined(MADV_POPULATE_READ)
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data / page * page;
  madvise((void*)begin, (uintptr_t)data + bytes - begin, MADV_POPULATE_READ);
#else
  (void)data, (void)bytes;
#endif
}

void drop_pages(const char* data, size_t bytes) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + bytes) / page * page;
  if (begin < end) madvise((void*)begin, end - begin, MADV_DONTNEED);
}

void unmap_file(const char* data, size_t bytes) { munmap((void*)data, bytes); }

#if defined(__x86_64__)
// __builtin_cpu_supports takes literals only.
#define SY_FEATURE(name)                  \
  if (__builtin_cpu_supports(name)) {     \
    f.names += f.names.empty() ? "" : " "; \
    f.names += name;                      \
  } else                                  \
    missing += " " name " ";

namespace {

// Whether the processor has tiles of bytes.
bool has_tiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  return (d >> 24 & 1) && (d >> 25 & 1);
}

// Why this process may not use them; empty when it may. The state of tiles is large, so a system gives it on request.
std::string tiles_refused() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return "the operating system saves no extended state";
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low >> 17 & 3) != 3) return "the operating system does not save tiles";
#if defined(__linux__)
  // ARCH_REQ_XCOMP_PERM for XTILEDATA; for all threads of the process, those to come too.
  if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) return std::string("arch_prctl refused tiles: ") + std::strerror(errno);
#endif
  return "";
}

}  // namespace

static CpuFeatures find_features() {
  CpuFeatures f;
  std::string missing;
  __builtin_cpu_init();
  SY_FEATURE("avx2")
  SY_FEATURE("fma")
  SY_FEATURE("f16c")
  f.avx2 = missing.empty();
  SY_FEATURE("avx512f")
  SY_FEATURE("avx512bw")
  SY_FEATURE("avx512vl")
  SY_FEATURE("avx512dq")
  SY_FEATURE("avx512vnni")
  f.avx512 = missing.empty();
  SY_FEATURE("avx512bf16")
  f.avx512bf16 = missing.empty();
  f.intel = __builtin_cpu_is("intel");
  if (!f.avx512 || !has_tiles()) return f;
  std::string why = tiles_refused();
  f.amx = why.empty();
  if (f.amx) f.names += " amx";
  else f.refused = "amx: " + why;
  return f;
}

CpuFeatures cpu_features() {
  static const CpuFeatures features = find_features();
  return features;
}
#elif defined(__aarch64__)
#if defined(__APPLE__)
static bool has_feature(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

CpuFeatures cpu_features() {
  CpuFeatures f;
#if defined(__APPLE__)
  f.dotprod = has_feature("hw.optional.arm.FEAT_DotProd");
  f.i8mm = f.dotprod && has_feature("hw.optional.arm.FEAT_I8MM");
#elif defined(__linux__)
  // By bit, which old headers do not name: ASIMDDP of the first word, I8MM of the second.
  f.dotprod = getauxval(AT_HWCAP) >> 20 & 1;
  f.i8mm = f.dotprod && (getauxval(AT_HWCAP2) >> 13 & 1);
#endif
  f.names = "neon";
  if (f.dotprod) f.names += " dotprod";
  if (f.i8mm) f.names += " i8mm";
  return f;
}
#else
CpuFeatures cpu_features() { return {}; }
#endif

}  // namespace steelyard
