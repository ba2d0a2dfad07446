#ifndef CCRC32C_H
#define CCRC32C_H
#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli) of `length` bytes, continuing from `crc` (0 to begin).
uint32_t ccrc32c(uint32_t crc, const void *data, size_t length);

#endif
