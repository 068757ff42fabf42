/* Samplers: records of the trace ports and pulses of the interrupt wires, with their cycle; sums of
 * what the design does. */
#include "core.h"

enum { RECORD_WORDS = 10 };

struct record {
    uint64_t cycle;
    uint32_t words[RECORD_WORDS];
};
static VEC(struct record) traces[MAX_TRACES];

struct pulse {
    uint64_t cycle;
    uint32_t wires, pad;
};
static VEC(struct pulse) pulses;
static uint64_t counts[MAX_IRQS];

struct watcher {
    uint32_t id, wires;
};
static VEC(struct watcher) watchers;

void samplers_reset(void)
{
    for (int i = 0; i < MAX_TRACES; i++) traces[i].n = 0;
    pulses.n = watchers.n = 0;
    memset(counts, 0, sizeof counts);
}

/* A valid record of trace port `port`: RECORD_WORDS words. */
void sim_trace(int port, const uint32_t *words)
{
    struct record *r = VEC_NEW(&traces[port]);
    r->cycle = world.cycle;
    memcpy(r->words, words, sizeof r->words);
}

uint64_t sim_trace_log(int port, const struct record **log)
{
    *log = traces[port].at;
    return traces[port].n;
}

void sim_trace_clear(int port)
{
    traces[port].n = 0;
}

/* Called at each edge at which an interrupt wire is high: one pulse of each wire set. */
void sim_irq(const uint32_t *wires)
{
    VEC_PUSH(&pulses, ((struct pulse){world.cycle, *wires, 0}));
    for (int i = 0; i < MAX_IRQS; i++) counts[i] += *wires >> i & 1;
    for (size_t i = 0; i < watchers.n;)
        if (watchers.at[i].wires & *wires) {
            fire(watchers.at[i].id);
            VEC_REMOVE(&watchers, i);
        } else {
            i++;
        }
}

uint64_t sim_irq_count(int wire)
{
    return counts[wire];
}

uint64_t sim_irq_log(const struct pulse **log)
{
    *log = pulses.at;
    return pulses.n;
}

void sim_irq_clear(void)
{
    pulses.n = 0;
}

/* Fire `id` at the next pulse of one of `wires`. */
void sim_irq_watch(uint32_t id, uint32_t wires)
{
    VEC_PUSH(&watchers, ((struct watcher){id, wires}));
}

void sim_irq_cancel(uint32_t id)
{
    for (size_t i = 0; i < watchers.n; i++)
        if (watchers.at[i].id == id) {
            VEC_REMOVE(&watchers, i);
            return;
        }
}

static struct {
    uint32_t id, left;
    uint64_t values[MAX_SUMS];
} sums;

/* Have the `count` sums sampled at the next edge; fires `id` then. */
void sim_sums_ask(uint32_t id, uint32_t count)
{
    sums.id = id;
    sums.left = count;
    set_active(BIT_SUMS, 1);
}

/* Sum `number`: two words. The last one of a sample ends it. */
void sim_sum(int number, const uint32_t *sum)
{
    sums.values[number] = sum[0] | (uint64_t)sum[1] << 32;
    if (--sums.left) return;
    set_active(BIT_SUMS, 0);
    fire(sums.id);
}

const uint64_t *sim_sums(void)
{
    return sums.values;
}
