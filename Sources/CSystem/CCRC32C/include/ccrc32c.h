#ifndef CCRC32C_H
#define CCRC32C_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli, RFC 3720 appendix B.4) of `length` bytes, continuing from `crc` (0 to begin).
/// Uses the processor's CRC instruction where there is one; chosen once, at the first call.
uint32_t ccrc32c(uint32_t crc, const void *data, size_t length);

/// The same by table (slicing-by-8), on any processor. `ccrc32c` falls back to it.
uint32_t ccrc32c_software(uint32_t crc, const void *data, size_t length);

/// True if `ccrc32c` uses a CRC instruction on this processor.
bool ccrc32c_is_accelerated(void);

#endif
