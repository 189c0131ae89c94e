// What the operating system gives: pages of memory, read-only maps of files, and what the processor can do.
#pragma once
#include <cstddef>
#include <string>

namespace steelyard {

// Zero-filled, paged in when touched; null when there is no room. `whole`: all of it will be touched, so that large pages
// waste nothing.
char* allocate_pages(size_t bytes, bool whole = false);
void free_pages(char* data, size_t bytes);

// A whole file, read-only. Null with `problem` set when it cannot be mapped.
const char* map_file(const char* path, size_t* bytes, std::string* problem);
void unmap_file(const char* data, size_t bytes);

// Reads a range of a mapped file and maps its pages, many at a time and off the threads that will need them, where the system
// can; elsewhere they come when touched.
void fetch_pages(const char* data, size_t bytes);

// Lets go of the whole pages within a range of a mapped file; they come back from the file when touched.
void drop_pages(const char* data, size_t bytes);

struct CpuFeatures {
  bool avx2 = false;        // with FMA and F16C
  bool avx512 = false;      // F, BW, VL, DQ and VNNI
  bool avx512bf16 = false;  // avx512, and products of bfloat16
  bool intel = false;
  bool amx = false;         // avx512, and tiles of bytes that the operating system lets this process use
  bool dotprod = false;     // Arm: products of four bytes
  bool i8mm = false;        // Arm: products of matrices of bytes, and dotprod
  std::string names;        // of all that were asked for and found, separated by spaces
  std::string refused;      // what the processor has and the operating system does not give, and why; else empty
};
CpuFeatures cpu_features();

}  // namespace steelyard
