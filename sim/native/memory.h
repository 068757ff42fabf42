/* The simulated RAM: one sparse file in memory, mapped by everyone who needs it. */
#ifndef MEMORY_H
#define MEMORY_H
#include <stdint.h>
#include "core.h"

struct access {
    uint64_t addr;  /* first byte of the burst */
    uint64_t last;  /* last byte it can touch */
    int port, id, write;
};

/* The response an access gets apart from exclusivity: OKAY, or the injected or natural error. */
enum resp memory_check(const struct access *a);

/* Cycles that the answer of an access is to be held back: somebody waited for it. */
uint32_t memory_hold(const struct access *a);

/* Bytes at [addr, addr + n); the caller has checked the range. */
uint8_t *memory_at(uint64_t addr);

/* Exclusive monitors, one per (port, id) (AXI4 A7.2). */
void monitor_arm(const struct access *a);
int monitor_holds(const struct access *a);
void monitor_written(uint64_t addr, uint64_t last);
#endif
