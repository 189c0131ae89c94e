#include "platform.h"

#include <cerrno>
#include <cstring>

#if defined(_WIN32)
#error "the native build is not made for Windows yet; the reference backend is used there"
#endif

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace steelyard {

char* allocate_pages(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : (char*)p;
}

void free_pages(char* data, size_t bytes) {
  if (data) munmap(data, bytes);
}

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

void unmap_file(const char* data, size_t bytes) { munmap((void*)data, bytes); }

CpuFeatures cpu_features() {
  CpuFeatures f;
#if defined(__x86_64__)
  __builtin_cpu_init();
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#endif
  return f;
}

}  // namespace steelyard
