/* Run-time settings, counters and log of a memory port; laid out for tb/ports.py. */
#ifndef AXI_SLAVE_H
#define AXI_SLAVE_H
#include <stdint.h>

struct mem_knobs {
    uint32_t read_latency, write_latency;  /* cycles from handshake to RVALID/BVALID, >= 1 */
    uint32_t read_jitter, write_jitter;    /* up to this many cycles more, at random */
    uint32_t read_rate, write_rate;        /* beats per 1024 cycles, 1024 = no limit */
    uint32_t ar_stall, aw_stall, w_stall;  /* chance / 65536 of ready being low at an edge */
    uint32_t reorder;                      /* chance / 65536 of answering another id first */
    uint32_t early;                        /* chance of reading before the response */
    uint32_t interleave;                   /* chance / 65536, per beat, of another id's beat next */
    uint32_t error_rate;                   /* chance of an error, in 2^-32 per access */
    uint32_t error_resp;                   /* response of these */
    uint32_t read_depth, write_depth;      /* accepted and unanswered at most, <= 256 */
    uint32_t log;                          /* 1: record accesses */
    uint32_t bytes;                        /* data width in bytes, <= 64 */
};

struct mem_stats {
    uint64_t reads, writes, read_beats, write_beats, errors, exclusive_ok, exclusive_failed;
};

/* In the order of acceptance. `done` is the cycle of the last response handshake, 0 before. */
struct mem_log {
    uint64_t addr, cycle, done;
    uint16_t id;
    uint8_t len, size, burst, write, lock, cache, prot, resp, pad[6];
};
#endif
