/* What every agent shares: the cycle counter, who is active, events towards Python, faults.
 *
 * Time: the harness calls each active agent's step function at a rising clock edge with the
 * values sampled before the edge; what it returns is driven after the edge. `world.cycle` is the
 * number of that edge. `sim_tick` ends the edge. Python runs after it and before the next one, so
 * that what it queues is the same on every simulator.
 */
#ifndef CORE_H
#define CORE_H
#include <stdint.h>
#include "rng.h"
#include "vec.h"

enum { MAX_CLIENTS = 16, MAX_MEMS = 24, MAX_LITES = 4, MAX_TRACES = 24, MAX_IRQS = 32, MAX_SUMS = 256 };
enum { BIT_CLIENT = 0, BIT_MEM = 16, BIT_LITE = 40, BIT_SUMS = 48 }; /* positions in `active` */

enum resp { OKAY = 0, EXOKAY = 1, SLVERR = 2, DECERR = 3 };
enum burst { FIXED = 0, INCR = 1, WRAP = 2 };

struct world {
    uint64_t cycle;
    uint64_t seed;
    uint64_t active;       /* agents whose step must run at the next edge even if nothing moves */
    uint64_t reset_until;  /* rst is high at edges before this one */
};
extern struct world world;

/* Tell Python that the condition it named `id` holds. Ids are Python's; 0 means a fault. */
void fire(uint32_t id);

/* Record a broken protocol rule (printf-like) and wake Python, which fails the run. */
void fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void set_active(int bit, int on)
{
    if (on) world.active |= 1ull << bit;
    else world.active &= ~(1ull << bit);
}

uint64_t sim_bare_take(void);
void sim_bare_done(uint64_t nanoseconds);

/* Whether the design is, or at the next edge will be, in reset: agent `bit` drives zeros, as the
 * harness does then, and goes on afterwards. */
static inline int in_reset(int bit)
{
    if (world.cycle >= world.reset_until) return 0;
    set_active(bit, 1);
    return 1;
}

void clients_reset(void);
void mems_reset(void);
void lites_reset(void);
void samplers_reset(void);
#endif
