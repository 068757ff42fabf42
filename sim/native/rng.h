/* One small generator (PCG32) per agent: the same seed gives the same numbers everywhere. */
#ifndef RNG_H
#define RNG_H
#include <stdint.h>

struct rng {
    uint64_t state, increment;
};

static inline uint64_t rng_mix(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static inline uint32_t rng_next(struct rng *r)
{
    uint64_t old = r->state;
    r->state = old * 6364136223846793005ull + r->increment;
    uint32_t x = (uint32_t)(((old >> 18) ^ old) >> 27), rot = (uint32_t)(old >> 59);
    return (x >> rot) | (x << ((-rot) & 31));
}

/* Independent streams: `stream` is unique per agent and channel. */
static inline void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
    r->increment = rng_mix(stream) | 1;
    r->state = rng_mix(seed ^ rng_mix(stream + 0x51));
    rng_next(r);
}

/* 0 .. limit - 1; 0 when limit is 0. */
static inline uint32_t rng_below(struct rng *r, uint32_t limit)
{
    return limit ? (uint32_t)(((uint64_t)rng_next(r) * limit) >> 32) : 0;
}

/* True with probability p / 65536; the certain cases draw nothing. */
static inline int rng_chance(struct rng *r, uint32_t p)
{
    if (p == 0) return 0;
    if (p >= 65536) return 1;
    return (rng_next(r) >> 16) < p;
}
#endif
