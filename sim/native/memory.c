/* The simulated RAM, injected errors by address, exclusive monitors. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>
#include "memory.h"

enum { MONITORED = 128 };  /* an exclusive access is at most 128 bytes */

static struct {
    uint8_t *bytes;
    uint64_t base, size;
    int fd, outside;  /* `outside`: response where there is no RAM */
} ram = {.fd = -1, .outside = DECERR};

/* An injected error. Kept in one list; the first that matches answers. */
struct error_rule {
    uint64_t lo, hi;      /* bytes lo .. hi */
    uint32_t ports;       /* bit per port */
    uint8_t reads, writes, resp;
    uint32_t skip;        /* matching accesses that still pass */
    uint32_t count;       /* errors left; UINT32_MAX: for ever */
    uint32_t handle;
};
static VEC(struct error_rule) rules;

/* Fires `id` once, when a read of any of the bytes lo .. hi is accepted, and holds its answer. */
struct watch {
    uint64_t lo, hi;
    uint32_t id, hold;
};
static VEC(struct watch) watches;

/* Where there is RAM, if somebody says so; else everywhere in [base, base + size). */
struct range {
    uint64_t first, last;
};
static VEC(struct range) ranges;
static int ranged;

struct monitor {
    int armed;
    uint64_t addr, last;
    uint8_t seen[MONITORED];  /* also notices writes that do not pass a port */
};
static struct monitor monitors[MAX_MEMS][256];
static int armed_monitors;

/* Make `size` bytes of zeroed RAM at `base`; its file descriptor, or -1. `fd` >= 0 adopts a file. */
int sim_memory_open(uint64_t base, uint64_t size, int fd)
{
    if (ram.bytes) {
        munmap(ram.bytes, ram.size);
        close(ram.fd);
        ram.bytes = 0;
    }
    if (fd < 0) {
        fd = memfd_create("substream-ram", 0);
        if (fd < 0 || ftruncate(fd, (off_t)size)) return -1;
    }
    void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED) return -1;
    ram.bytes = p;
    ram.base = base;
    ram.size = size;
    ram.fd = fd;
    rules.n = watches.n = ranges.n = 0;
    ranged = 0;
    armed_monitors = 0;
    memset(monitors, 0, sizeof monitors);
    return fd;
}

void *sim_memory_bytes(void)
{
    return ram.bytes;
}

/* From now on only these `n` ranges (first, last) are RAM. */
void sim_memory_ranges(const uint64_t *pairs, uint64_t n)
{
    ranged = 1;
    ranges.n = 0;
    for (uint64_t i = 0; i < n; i++)
        VEC_PUSH(&ranges, ((struct range){pairs[2 * i], pairs[2 * i + 1]}));
}

/* Response (SLVERR or DECERR) of accesses outside RAM. */
void sim_memory_outside(int resp)
{
    ram.outside = resp;
}

/* Answer matching accesses with `resp`, after `skip` that pass, `count` times. */
void sim_error_add(uint32_t handle, uint64_t lo, uint64_t hi, uint32_t ports, int reads, int writes,
                   int resp, uint32_t skip, uint32_t count)
{
    VEC_PUSH(&rules, ((struct error_rule){lo, hi, ports, (uint8_t)reads, (uint8_t)writes,
                                          (uint8_t)resp, skip, count, handle}));
}

void sim_error_remove(uint32_t handle)
{
    for (size_t i = 0; i < rules.n; i++)
        if (rules.at[i].handle == handle) {
            VEC_REMOVE(&rules, i);
            return;
        }
}

void sim_memory_watch(uint32_t id, uint64_t lo, uint64_t hi, uint32_t hold)
{
    VEC_PUSH(&watches, ((struct watch){lo, hi, id, hold}));
}

void sim_memory_unwatch(uint32_t id)
{
    for (size_t i = 0; i < watches.n; i++)
        if (watches.at[i].id == id) {
            VEC_REMOVE(&watches, i);
            return;
        }
}

uint32_t memory_hold(const struct access *a)
{
    uint32_t hold = 0;
    for (size_t i = 0; i < watches.n && !a->write; i++)
        if (a->last >= watches.at[i].lo && a->addr <= watches.at[i].hi) {
            fire(watches.at[i].id);
            hold = watches.at[i].hold;
            VEC_REMOVE(&watches, i);
            i--;
        }
    return hold;
}

uint8_t *memory_at(uint64_t addr)
{
    return ram.bytes + (addr - ram.base);
}

static int there(const struct access *a)
{
    if (a->addr < ram.base || a->last < a->addr || a->last - ram.base >= ram.size) return 0;
    if (!ranged) return 1;
    for (size_t i = 0; i < ranges.n; i++)
        if (a->addr >= ranges.at[i].first && a->last <= ranges.at[i].last) return 1;
    return 0;
}

enum resp memory_check(const struct access *a)
{
    if (!there(a)) return (enum resp)ram.outside;
    for (size_t i = 0; i < rules.n; i++) {
        struct error_rule *r = &rules.at[i];
        if (a->last < r->lo || a->addr > r->hi || !(r->ports >> a->port & 1)) continue;
        if (!(a->write ? r->writes : r->reads) || !r->count) continue;
        if (r->skip) {
            r->skip--;
            continue;
        }
        if (r->count != UINT32_MAX) r->count--;
        return (enum resp)r->resp;
    }
    return OKAY;
}

void monitor_arm(const struct access *a)
{
    struct monitor *m = &monitors[a->port][a->id];
    uint64_t n = a->last - a->addr + 1;
    if (n > MONITORED) {
        fault("mem%d: exclusive access of %llu bytes at %#llx", a->port, (unsigned long long)n,
              (unsigned long long)a->addr);
        return;
    }
    armed_monitors += !m->armed;
    m->armed = 1;
    m->addr = a->addr;
    m->last = a->last;
    memcpy(m->seen, memory_at(a->addr), n);
}

int monitor_holds(const struct access *a)
{
    struct monitor *m = &monitors[a->port][a->id];
    return m->armed && m->addr == a->addr && m->last == a->last &&
           !memcmp(m->seen, memory_at(a->addr), a->last - a->addr + 1);
}

void monitor_written(uint64_t addr, uint64_t last)
{
    if (!armed_monitors) return;
    for (int port = 0; port < MAX_MEMS; port++)
        for (int id = 0; id < 256; id++) {
            struct monitor *m = &monitors[port][id];
            if (m->armed && addr <= m->last && last >= m->addr) {
                m->armed = 0;
                armed_monitors--;
            }
        }
}
