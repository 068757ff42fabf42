/* Cycle counter, reset, deadlines, fired conditions and faults. */
#include <stdarg.h>
#include <stdio.h>
#include "core.h"

struct world world = {.reset_until = UINT64_MAX};

struct deadline {
    uint64_t cycle;
    uint32_t id;
};

static VEC(struct deadline) deadlines;
static uint64_t next_deadline = UINT64_MAX;
static VEC(uint32_t) fired;
static uint32_t event;  /* toggles when `fired` grows */
static VEC(char) faults;
static unsigned fault_count;

void fire(uint32_t id)
{
    VEC_PUSH(&fired, id);
}

void fault(const char *format, ...)
{
    char text[256];
    int n = snprintf(text, sizeof text, "cycle %llu: ", (unsigned long long)world.cycle);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    if (fault_count++ < 20) {
        for (char *c = text; *c; c++) VEC_PUSH(&faults, *c);
        VEC_PUSH(&faults, '\n');
    }
    if (fault_count == 1) fire(0);
}

static void find_next_deadline(void)
{
    next_deadline = UINT64_MAX;
    for (size_t i = 0; i < deadlines.n; i++)
        if (deadlines.at[i].cycle < next_deadline) next_deadline = deadlines.at[i].cycle;
}

/* Forget everything, start counting at cycle 0 and hold rst for `reset_cycles` edges. */
void sim_init(uint64_t seed, uint64_t reset_cycles)
{
    world = (struct world){.seed = seed, .reset_until = reset_cycles};
    deadlines.n = fired.n = faults.n = fault_count = 0;
    next_deadline = UINT64_MAX;
    clients_reset();
    mems_reset();
    lites_reset();
    samplers_reset();
}

uint64_t sim_cycle(void)
{
    return world.cycle;
}

/* Hold rst for `cycles` edges from now; agents drop what they have under way. */
void sim_reset(uint64_t cycles)
{
    world.reset_until = world.cycle + cycles;
    clients_reset();
    mems_reset();
    lites_reset();
}

/* Fire `id` when the edge `cycle` has passed. */
void sim_deadline(uint32_t id, uint64_t cycle)
{
    VEC_PUSH(&deadlines, ((struct deadline){cycle, id}));
    if (cycle < next_deadline) next_deadline = cycle;
}

void sim_deadline_cancel(uint32_t id)
{
    for (size_t i = 0; i < deadlines.n; i++)
        if (deadlines.at[i].id == id) {
            VEC_REMOVE(&deadlines, i);
            break;
        }
    find_next_deadline();
}

static struct bare {
    uint32_t id;
    uint64_t cycles, nanoseconds;
} bare;

/* Ask the main program of Verilator to run the next `cycles` edges in a loop that only toggles the
 * clock; fires `id` after them. */
void sim_bare(uint32_t id, uint64_t cycles)
{
    bare = (struct bare){.id = id, .cycles = cycles};
}

/* Called by the main program: edges it is asked for, at most once for each `sim_bare`. */
uint64_t sim_bare_take(void)
{
    uint64_t cycles = bare.cycles;
    bare.cycles = 0;
    return cycles;
}

void sim_bare_done(uint64_t nanoseconds)
{
    bare.nanoseconds = nanoseconds;
    fire(bare.id);
}

/* Wall-clock time of the last bare loop. */
uint64_t sim_bare_nanoseconds(void)
{
    return bare.nanoseconds;
}

/* Up to `room` fired ids, oldest first. */
uint32_t sim_take_fired(uint32_t *out, uint32_t room)
{
    uint32_t n = fired.n < room ? (uint32_t)fired.n : room;
    memcpy(out, fired.at, n * sizeof *out);
    memmove(fired.at, fired.at + n, (fired.n - n) * sizeof *out);
    fired.n -= n;
    return n;
}

/* The recorded faults, one a line, not terminated; returns their length. */
uint64_t sim_faults(const char **text)
{
    *text = faults.at;
    return faults.n;
}

/* A control output of the DUT is unknown (four-state simulators only). */
void sim_unknown(void)
{
    if (!fault_count) fault("a valid, ready or interrupt output of the DUT is X");
}

/* End of an edge. out: words 0-1 active agents, word 2 bit 0 event, bit 1 rst. */
void sim_tick(uint32_t *out)
{
    while (world.cycle >= next_deadline) {
        for (size_t i = 0; i < deadlines.n; i++)
            if (deadlines.at[i].cycle == next_deadline) {
                fire(deadlines.at[i].id);
                VEC_REMOVE(&deadlines, i);
                i--;
            }
        find_next_deadline();
    }
    if (fired.n) event ^= 1;
    world.cycle++;
    out[0] = (uint32_t)world.active;
    out[1] = (uint32_t)(world.active >> 32);
    out[2] = event | (uint32_t)(world.cycle < world.reset_until) << 1;
}
