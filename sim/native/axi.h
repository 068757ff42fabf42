/* AXI4 bundles as the harness packs them, and burst arithmetic.
 *
 * A bundle is an array of 32-bit words, so that no field needs shifting across words. The SystemVerilog
 * side is sim/harness.py; both must agree.
 */
#ifndef AXI_H
#define AXI_H
#include <stdint.h>

/* One address channel: word 0 = id | len << 8 | size << 16 | burst << 19 | lock << 21 |
 * cache << 22 | prot << 26. */
struct axi_addr {
    uint32_t attr, addr_lo, addr_hi, user_lo, user_hi;
};

enum { DATA_WORDS = 16 };  /* up to 512 data bits; a bundle ends after the data there is */

/* Master to slave, 13 words and the data. */
struct axi_req {
    uint32_t ctl;  /* AWVALID, WVALID, BREADY, ARVALID, RREADY, WLAST */
    uint32_t strobe_lo, strobe_hi;
    struct axi_addr aw, ar;
    uint32_t wdata[DATA_WORDS];
};
enum { Q_AWVALID = 1, Q_WVALID = 2, Q_BREADY = 4, Q_ARVALID = 8, Q_RREADY = 16, Q_WLAST = 32 };

/* Slave to master, one word and the data. */
struct axi_resp {
    uint32_t ctl;  /* AWREADY, WREADY, BVALID, ARREADY, RVALID, RLAST, BRESP[7:6], RRESP[9:8];
                      [23:16] BID, [31:24] RID */
    uint32_t rdata[DATA_WORDS];
};
enum { P_AWREADY = 1, P_WREADY = 2, P_BVALID = 4, P_ARREADY = 8, P_RVALID = 16, P_RLAST = 32 };

/* Bytes of a bundle on a port of `bytes` data bytes. */
static inline unsigned axi_req_size(unsigned bytes) { return 13 * 4 + bytes; }
static inline unsigned axi_resp_size(unsigned bytes) { return 4 + bytes; }

/* Bits `from` .. `to` - 1 of a strobe. */
static inline uint64_t axi_lanes(unsigned from, unsigned to)
{
    return (to >= 64 ? ~0ull : (1ull << to) - 1) & ~((1ull << from) - 1);
}

static inline unsigned axi_id(const struct axi_addr *a) { return a->attr & 0xff; }
static inline unsigned axi_len(const struct axi_addr *a) { return a->attr >> 8 & 0xff; }
static inline unsigned axi_size(const struct axi_addr *a) { return a->attr >> 16 & 7; }
static inline unsigned axi_burst(const struct axi_addr *a) { return a->attr >> 19 & 3; }
static inline unsigned axi_lock(const struct axi_addr *a) { return a->attr >> 21 & 1; }
static inline unsigned axi_cache(const struct axi_addr *a) { return a->attr >> 22 & 15; }
static inline unsigned axi_prot(const struct axi_addr *a) { return a->attr >> 26 & 7; }
static inline uint64_t axi_address(const struct axi_addr *a)
{
    return a->addr_lo | (uint64_t)a->addr_hi << 32;
}

/* First byte of beat `n`; beats after the first of INCR and WRAP are aligned (AXI4 A3.4.1). */
static inline uint64_t axi_beat(uint64_t addr, unsigned len, unsigned size, unsigned burst,
                                unsigned n)
{
    uint64_t bytes = 1ull << size, start = addr & ~(bytes - 1);
    if (n == 0 || burst == 0) return addr;
    if (burst == 1) return start + n * bytes;
    uint64_t total = bytes * (len + 1), base = addr & ~(total - 1);
    return base + ((start - base + n * bytes) & (total - 1));
}

/* First and last byte a burst can touch. */
static inline void axi_span(uint64_t addr, unsigned len, unsigned size, unsigned burst,
                            uint64_t *first, uint64_t *last)
{
    uint64_t bytes = 1ull << size, total = bytes * (len + 1);
    *first = burst == 2 ? addr & ~(total - 1) : addr;
    *last = burst == 0 ? (addr | (bytes - 1))
          : burst == 1 ? (addr & ~(bytes - 1)) + total - 1
                       : *first + total - 1;
}
#endif
