/* The same entry points as system tasks: $sim_mem(port, in, out) and so on. */
#include <stdlib.h>
#include <vpi_user.h>
#include "steps.h"

enum { WORDS = 32 };

/* The argument handles of one call site, found once. */
struct site {
    int port, in_words, out_words;
    vpiHandle in, out;
};

struct task {
    const char *name;
    int has_port, has_in, has_out;
    void (*step)(int, const uint32_t *, uint32_t *);
};

static void trace_step(int port, const uint32_t *in, uint32_t *out) { (void)out; sim_trace(port, in); }
static void irq_step(int port, const uint32_t *in, uint32_t *out) { (void)port; (void)out; sim_irq(in); }
static void sum_step(int number, const uint32_t *in, uint32_t *out) { (void)out; sim_sum(number, in); }
static void tick_step(int port, const uint32_t *in, uint32_t *out) { (void)port; (void)in; sim_tick(out); }
static void unknown_step(int port, const uint32_t *in, uint32_t *out)
{
    (void)port;
    (void)in;
    (void)out;
    sim_unknown();
}

static struct task tasks[] = {
    {"$sim_client", 1, 1, 1, sim_client},
    {"$sim_mem", 1, 1, 1, sim_mem},
    {"$sim_lite", 1, 1, 1, sim_lite},
    {"$sim_trace", 1, 1, 0, trace_step},
    {"$sim_irq", 0, 1, 0, irq_step},
    {"$sim_sum", 1, 1, 0, sum_step},
    {"$sim_tick", 0, 0, 1, tick_step},
    {"$sim_unknown", 0, 0, 0, unknown_step},
};

static struct site *find_site(vpiHandle call, const struct task *t)
{
    struct site *s = vpi_get_userdata(call);
    if (s) return s;
    s = calloc(1, sizeof *s);
    if (!s) abort();
    vpiHandle arguments = vpi_iterate(vpiArgument, call);
    if (t->has_port) {
        s_vpi_value v = {.format = vpiIntVal};
        vpi_get_value(vpi_scan(arguments), &v);
        s->port = v.value.integer;
    }
    if (t->has_in) {
        s->in = vpi_scan(arguments);
        s->in_words = (vpi_get(vpiSize, s->in) + 31) / 32;
    }
    if (t->has_out) {
        s->out = vpi_scan(arguments);
        s->out_words = (vpi_get(vpiSize, s->out) + 31) / 32;
    }
    if (arguments) vpi_free_object(arguments);
    vpi_put_userdata(call, s);
    return s;
}

static PLI_INT32 run(PLI_BYTE8 *data)
{
    const struct task *t = (const struct task *)data;
    struct site *s = find_site(vpi_handle(vpiSysTfCall, 0), t);
    uint32_t in[WORDS] = {0}, out[WORDS];
    if (t->has_in) {
        s_vpi_value v = {.format = vpiVectorVal};
        vpi_get_value(s->in, &v);
        for (int i = 0; i < s->in_words; i++)  /* X and Z count as 0 */
            in[i] = (uint32_t)(v.value.vector[i].aval & ~v.value.vector[i].bval);
    }
    t->step(s->port, in, out);
    if (t->has_out) {
        s_vpi_vecval words[WORDS];
        for (int i = 0; i < s->out_words; i++) words[i] = (s_vpi_vecval){(PLI_INT32)out[i], 0};
        s_vpi_value v = {.format = vpiVectorVal, .value.vector = words};
        vpi_put_value(s->out, &v, 0, vpiNoDelay);
    }
    return 0;
}

static void register_tasks(void)
{
    for (unsigned i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        s_vpi_systf_data d = {.type = vpiSysTask, .tfname = (PLI_BYTE8 *)tasks[i].name,
                              .calltf = run, .user_data = (PLI_BYTE8 *)&tasks[i]};
        vpi_register_systf(&d);
    }
}

void (*vlog_startup_routines[])(void) = {register_tasks, 0};
