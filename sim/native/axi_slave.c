/* Memory port: an AXI4 slave in front of the simulated RAM.
 *
 * Reads take their data beat by beat when each beat is put on the bus, or, by chance (`early`), at
 * any edge between acceptance and then; never earlier than the read before them of the same id.
 * Writes reach RAM as their beats arrive, at the latest before their response. In order within an
 * id always; across ids only the `reorder` setting changes order, and only `interleave` lets the
 * beats of another id's read in between those of a burst.
 */
#include <stdlib.h>
#include "axi.h"
#include "axi_slave.h"
#include "memory.h"

enum { DEPTH = 256, W_DEPTH = 8 };

struct job {
    uint64_t addr, due;
    uint64_t when;      /* edge at which early beats take their data */
    uint8_t *taken;     /* that data, from the first byte of the burst on; 0: no early beats */
    uint32_t early;     /* which beats, modulo 32 */
    uint32_t log;       /* index + 1, 0 = not logged */
    uint16_t beat;
    uint8_t id, len, size, burst, lock, resp, data_done, sampled, held;
};

struct beat {
    uint32_t data[DATA_WORDS];
    uint64_t strobe;
    uint8_t last;
};

struct mem {
    struct mem_knobs knobs;
    struct mem_stats stats;
    VEC(struct mem_log) log;
    struct rng rng_ar, rng_aw, rng_w, rng_r, rng_b, rng_error, rng_early;
    struct job reads[DEPTH], writes[DEPTH];
    int n_early;  /* reads that have yet to take early data */
    int n_reads, n_writes, current_read;  /* current: index of the burst on the R channel, or -1 */
    int mixing;                           /* the last beat did not end its burst */
    int current_write;                    /* index of the oldest write that still lacks data */
    struct beat w[W_DEPTH];
    int n_w;
    uint64_t read_credit, read_credit_at, write_credit, write_credit_at;
    int answering;          /* index of the write whose response is on the B channel */
    struct axi_req held;    /* the previous edge, accepted valids cleared, to check stability */
    struct axi_resp out;
};
static struct mem mems[MAX_MEMS];

void mems_reset(void)
{
    for (int i = 0; i < MAX_MEMS; i++) {
        struct mem *m = &mems[i];
        struct rng *streams[] = {&m->rng_ar, &m->rng_aw, &m->rng_w, &m->rng_r, &m->rng_b,
                                 &m->rng_error, &m->rng_early};
        for (int s = 0; s < 7; s++)
            rng_seed(streams[s], world.seed + world.cycle, (uint64_t)(0x1000 + 16 * i + s));
        for (int n = 0; n < m->n_reads; n++) free(m->reads[n].taken);
        m->n_early = m->n_reads = m->n_writes = m->n_w = m->current_write = m->mixing = 0;
        m->current_read = -1;
        m->read_credit = m->write_credit = m->read_credit_at = m->write_credit_at = 0;
        memset(&m->held, 0, sizeof m->held);
        memset(&m->out, 0, sizeof m->out);
        if (world.cycle == 0) {
            m->log.n = 0;
            memset(&m->stats, 0, sizeof m->stats);
        }
        set_active(BIT_MEM + i, m->knobs.bytes != 0);  /* the first step raises ready */
    }
}

struct mem_knobs *sim_mem_knobs(int port)
{
    return &mems[port].knobs;
}

struct mem_stats *sim_mem_stats(int port)
{
    return &mems[port].stats;
}

uint64_t sim_mem_log(int port, const struct mem_log **log)
{
    *log = mems[port].log.at;
    return mems[port].log.n;
}

void sim_mem_log_clear(int port)
{
    struct mem *m = &mems[port];
    m->log.n = 0;
    for (int i = 0; i < m->n_reads; i++) m->reads[i].log = 0;
    for (int i = 0; i < m->n_writes; i++) m->writes[i].log = 0;
}

/* Whether the next beat fits the bandwidth limit; takes its share. */
static int take_beat(uint64_t *credit, uint64_t *at, uint32_t rate)
{
    if (rate >= 1024) return 1;
    *credit += (world.cycle - *at) * rate;
    *at = world.cycle;
    if (*credit > 1024) *credit = 1024;
    if (*credit < 1024) return 0;
    *credit -= 1024;
    return 1;
}

static void check_burst(int port, const char *channel, const struct axi_addr *a)
{
    uint64_t first, last;
    unsigned len = axi_len(a), size = axi_size(a), burst = axi_burst(a);
    axi_span(axi_address(a), len, size, burst, &first, &last);
    const char *wrong = 1u << size > mems[port].knobs.bytes ? "beats wider than the bus"
        : burst == 3 ? "reserved burst type"
        : burst == INCR && first >> 12 != last >> 12 ? "burst crosses 4 KB"
        : burst == WRAP && (len != 1 && len != 3 && len != 7 && len != 15) ? "WRAP length"
        : burst == WRAP && (axi_address(a) & ((1u << size) - 1)) ? "unaligned WRAP"
        : burst == FIXED && len > 15 ? "FIXED longer than 16" : 0;
    if (wrong)
        fault("mem%d %s: %s (addr %#llx len %u size %u burst %u)", port, channel, wrong,
              (unsigned long long)axi_address(a), len, size, burst);
}

/* A valid that was not accepted must stay with its payload (AXI4 A3.2.1). */
static void check_stable(int port, struct mem *m, const struct axi_req *in)
{
    const struct axi_req *old = &m->held;
    if ((old->ctl & Q_AWVALID) &&
        (!(in->ctl & Q_AWVALID) || memcmp(&old->aw, &in->aw, sizeof in->aw)))
        fault("mem%d: AW changed before AWREADY", port);
    if ((old->ctl & Q_ARVALID) &&
        (!(in->ctl & Q_ARVALID) || memcmp(&old->ar, &in->ar, sizeof in->ar)))
        fault("mem%d: AR changed before ARREADY", port);
    if ((old->ctl & Q_WVALID) &&
        (!(in->ctl & Q_WVALID) || ((old->ctl ^ in->ctl) & Q_WLAST) ||
         old->strobe_lo != in->strobe_lo || old->strobe_hi != in->strobe_hi ||
         memcmp(old->wdata, in->wdata, m->knobs.bytes)))
        fault("mem%d: W changed before WREADY", port);
}

static struct job accept(int port, const struct axi_addr *a, int write)
{
    struct mem *m = &mems[port];
    struct job j = {.addr = axi_address(a), .id = (uint8_t)axi_id(a), .len = (uint8_t)axi_len(a),
                    .size = (uint8_t)axi_size(a), .burst = (uint8_t)axi_burst(a),
                    .lock = (uint8_t)axi_lock(a)};
    struct access x = {.port = port, .id = j.id, .write = write};
    check_burst(port, write ? "AW" : "AR", a);
    axi_span(j.addr, j.len, j.size, j.burst, &x.addr, &x.last);
    j.resp = (uint8_t)memory_check(&x);
    j.due = memory_hold(&x);
    j.held = j.due != 0;
    if (j.resp == OKAY && m->knobs.error_rate && rng_next(&m->rng_error) < m->knobs.error_rate)
        j.resp = (uint8_t)m->knobs.error_resp;
    m->stats.errors += j.resp != OKAY;
    if (write) m->stats.writes++;
    else m->stats.reads++;
    if (m->knobs.log) {
        VEC_PUSH(&m->log, ((struct mem_log){.addr = j.addr, .cycle = world.cycle, .id = j.id,
            .len = j.len, .size = j.size, .burst = j.burst, .write = (uint8_t)write,
            .lock = j.lock, .cache = (uint8_t)axi_cache(a), .prot = (uint8_t)axi_prot(a),
            .resp = j.resp}));
        j.log = (uint32_t)m->log.n;
    }
    return j;
}

static void finish(struct mem *m, struct job *jobs, int *n, int i)
{
    if (jobs[i].log) {
        m->log.at[jobs[i].log - 1].done = world.cycle;
        m->log.at[jobs[i].log - 1].resp = jobs[i].resp;
    }
    free(jobs[i].taken);
    memmove(&jobs[i], &jobs[i + 1], (size_t)(*n - i - 1) * sizeof *jobs);
    (*n)--;
}

static int is_due(const struct job *j)
{
    return j->due <= world.cycle + 1;
}

/* The index of the job to answer next, or -1. The oldest, or by chance another id's oldest; nobody
 * waits for one that is held. */
static int choose(struct job *jobs, int n, uint32_t reorder, struct rng *rng)
{
    uint8_t seen[256] = {0};
    int found[DEPTH], count = 0, any = n > 1 && rng_chance(rng, reorder);
    for (int i = 0; i < n; i++) {
        if (!seen[jobs[i].id]) {
            if (is_due(&jobs[i])) found[count++] = i;
            if (!any && (count || !jobs[i].held)) break;
        }
        seen[jobs[i].id] = 1;
    }
    return count ? found[any ? rng_below(rng, (uint32_t)count) : 0] : -1;
}

/* Decide when a read that was just accepted takes its data. */
static void plan_sample(struct mem *m, struct job *j)
{
    if (!j->held && !rng_chance(&m->rng_early, m->knobs.early)) return;
    uint64_t first, last;
    axi_span(j->addr, j->len, j->size, j->burst, &first, &last);
    j->taken = malloc(last - first + 1);
    j->early = j->held ? UINT32_MAX : j->len ? rng_next(&m->rng_early) : 1;
    j->when = world.cycle;
    if (!j->held) j->when += rng_below(&m->rng_early, (uint32_t)(j->due - world.cycle) + 1);
    m->n_early++;
}

/* A read takes what it takes now: the early beats, and the exclusive monitor. */
static void sample(struct mem *m, int port, struct job *j)
{
    struct access x = {.port = port, .id = j->id};
    axi_span(j->addr, j->len, j->size, j->burst, &x.addr, &x.last);
    j->sampled = 1;
    if (j->lock && j->resp == OKAY) {
        monitor_arm(&x);
        j->resp = EXOKAY;
    }
    if (!j->taken) return;
    m->n_early--;
    if (j->resp <= EXOKAY) memcpy(j->taken, memory_at(x.addr), x.last - x.addr + 1);
}

static void sample_early(struct mem *m, int port)
{
    uint64_t behind[4] = {0};  /* ids of which an older read has not taken its data */
    for (int i = 0; i < m->n_reads; i++) {
        struct job *j = &m->reads[i];
        uint64_t *word = &behind[j->id >> 6], bit = 1ull << (j->id & 63);
        if (j->taken && !j->sampled && j->when <= world.cycle && !(*word & bit)) sample(m, port, j);
        if (!j->sampled) *word |= bit;
    }
}

/* Where the bytes are that the current beat, from `at` on, reads. */
static const void *beat_data(const struct job *j, uint64_t at)
{
    if (!j->taken || !(j->early >> (j->beat & 31) & 1)) return memory_at(at);
    uint64_t first, last;
    axi_span(j->addr, j->len, j->size, j->burst, &first, &last);
    return j->taken + (at - first);
}

/* R channel: put the next beat on the bus. */
static void drive_read(struct mem *m, int port)
{
    if (m->current_read < 0) {
        m->current_read = choose(m->reads, m->n_reads, m->mixing ? 65536 : m->knobs.reorder,
                                 &m->rng_r);
        if (m->current_read < 0) return;
        m->mixing = 0;
        if (!m->reads[m->current_read].sampled) sample(m, port, &m->reads[m->current_read]);
    }
    if (!take_beat(&m->read_credit, &m->read_credit_at, m->knobs.read_rate)) return;
    struct job *j = &m->reads[m->current_read];
    uint64_t at = axi_beat(j->addr, j->len, j->size, j->burst, j->beat);
    uint64_t end = (at | ((1ull << j->size) - 1)) + 1;
    memset(m->out.rdata, 0, sizeof m->out.rdata);
    if (j->resp <= EXOKAY)
        memcpy((uint8_t *)m->out.rdata + (at & (m->knobs.bytes - 1)), beat_data(j, at), end - at);
    m->out.ctl &= ~0xff000320u;
    m->out.ctl |= P_RVALID | (uint32_t)j->resp << 8 | (uint32_t)j->id << 24;
    if (j->beat == j->len) m->out.ctl |= P_RLAST;
    m->stats.read_beats++;
}

static void step_read(int port, const struct axi_req *in)
{
    struct mem *m = &mems[port];
    if ((m->out.ctl & P_RVALID) && (in->ctl & Q_RREADY)) {
        struct job *j = &m->reads[m->current_read];
        m->out.ctl &= ~(uint32_t)P_RVALID;
        if (j->beat++ == j->len) {
            finish(m, m->reads, &m->n_reads, m->current_read);
            m->current_read = -1;
        } else if (rng_chance(&m->rng_r, m->knobs.interleave)) {
            m->current_read = -1;
            m->mixing = 1;
        }
    }
    if ((m->out.ctl & P_ARREADY) && (in->ctl & Q_ARVALID)) {
        struct job j = accept(port, &in->ar, 0);
        j.due += world.cycle + m->knobs.read_latency + rng_below(&m->rng_r, m->knobs.read_jitter + 1);
        plan_sample(m, &j);
        m->reads[m->n_reads++] = j;
    }
    if (m->n_early) sample_early(m, port);
    if (!(m->out.ctl & P_RVALID)) drive_read(m, port);
    m->out.ctl &= ~(uint32_t)P_ARREADY;
    if (m->n_reads < (int)m->knobs.read_depth && !rng_chance(&m->rng_ar, m->knobs.ar_stall))
        m->out.ctl |= P_ARREADY;
}

/* One beat of write data reaches RAM; at the first beat an exclusive write is decided. */
static void write_beat(struct mem *m, int port, struct job *j, const struct beat *b)
{
    struct access x = {.port = port, .id = j->id, .write = 1};
    axi_span(j->addr, j->len, j->size, j->burst, &x.addr, &x.last);
    if (j->beat == 0 && j->lock && j->resp == OKAY) {
        if (monitor_holds(&x)) {
            j->resp = EXOKAY;
            m->stats.exclusive_ok++;
        } else {
            m->stats.exclusive_failed++;
        }
    }
    int wanted = j->resp == EXOKAY || (j->resp == OKAY && !j->lock);
    uint64_t at = axi_beat(j->addr, j->len, j->size, j->burst, j->beat);
    uint64_t end = (at | ((1ull << j->size) - 1)) + 1;
    uint64_t mask = m->knobs.bytes - 1, word = at & ~mask;
    uint64_t lanes = axi_lanes((unsigned)(at - word), (unsigned)(end - word));
    if (b->strobe & ~lanes)
        fault("mem%d: WSTRB %#llx outside the lanes %#llx of beat %u at %#llx", port,
              (unsigned long long)b->strobe, (unsigned long long)lanes, j->beat,
              (unsigned long long)at);
    if (wanted) {
        uint8_t *to = memory_at(at) - (at - word);
        for (unsigned lane = 0; lane < m->knobs.bytes; lane++)
            if (b->strobe & lanes & (1ull << lane)) to[lane] = ((const uint8_t *)b->data)[lane];
        monitor_written(at, end - 1);
    }
    if (b->last != (j->beat == j->len))
        fault("mem%d: WLAST is %d at beat %u of %u", port, b->last, j->beat + 1, j->len + 1);
    m->stats.write_beats++;
    j->beat++;
}

static void take_write_data(struct mem *m, int port)
{
    while (m->n_w && m->current_write < m->n_writes) {
        struct job *j = &m->writes[m->current_write];
        struct beat b = m->w[0];
        m->n_w--;
        memmove(m->w, m->w + 1, (size_t)m->n_w * sizeof *m->w);
        write_beat(m, port, j, &b);
        if (j->beat > j->len) {
            j->data_done = 1;
            j->due = world.cycle + m->knobs.write_latency +
                     rng_below(&m->rng_b, m->knobs.write_jitter + 1);
            m->current_write++;
        }
    }
}

static void step_write(int port, const struct axi_req *in)
{
    struct mem *m = &mems[port];
    if ((m->out.ctl & P_BVALID) && (in->ctl & Q_BREADY)) {
        m->out.ctl &= ~(uint32_t)P_BVALID;
        finish(m, m->writes, &m->n_writes, m->answering);
        m->current_write--;
    }
    if ((m->out.ctl & P_AWREADY) && (in->ctl & Q_AWVALID))
        m->writes[m->n_writes++] = accept(port, &in->aw, 1);
    if ((m->out.ctl & P_WREADY) && (in->ctl & Q_WVALID)) {
        struct beat *b = &m->w[m->n_w++];
        memcpy(b->data, in->wdata, m->knobs.bytes);
        b->strobe = in->strobe_lo | (uint64_t)in->strobe_hi << 32;
        b->last = !!(in->ctl & Q_WLAST);
    }
    take_write_data(m, port);
    if (!(m->out.ctl & P_BVALID)) {
        int i = choose(m->writes, m->current_write, m->knobs.reorder, &m->rng_b);
        if (i >= 0) {
            m->answering = i;
            m->out.ctl &= ~0x00ff00c0u;
            m->out.ctl |= P_BVALID | (uint32_t)m->writes[i].resp << 6 |
                          (uint32_t)m->writes[i].id << 16;
        }
    }
    m->out.ctl &= ~(uint32_t)(P_AWREADY | P_WREADY);
    if (m->n_writes < (int)m->knobs.write_depth && !rng_chance(&m->rng_aw, m->knobs.aw_stall))
        m->out.ctl |= P_AWREADY;
    if (m->n_w < W_DEPTH && !rng_chance(&m->rng_w, m->knobs.w_stall) &&
        take_beat(&m->write_credit, &m->write_credit_at, m->knobs.write_rate))
        m->out.ctl |= P_WREADY;
}

/* One edge of memory port `port`. in: struct axi_req, out: struct axi_resp, both cut after the data. */
void sim_mem(int port, const uint32_t *in_words, uint32_t *out_words)
{
    struct mem *m = &mems[port];
    struct axi_req in;
    if (in_reset(BIT_MEM + port)) {
        memset(out_words, 0, axi_resp_size(m->knobs.bytes));
        return;
    }
    memcpy(&in, in_words, axi_req_size(m->knobs.bytes));
    uint32_t ready = m->out.ctl;
    check_stable(port, m, &in);
    step_read(port, &in);
    step_write(port, &in);
    m->held = in;
    if (ready & P_AWREADY) m->held.ctl &= ~(uint32_t)Q_AWVALID;
    if (ready & P_WREADY) m->held.ctl &= ~(uint32_t)Q_WVALID;
    if (ready & P_ARREADY) m->held.ctl &= ~(uint32_t)Q_ARVALID;
    uint32_t waiting = (uint32_t)(P_AWREADY | P_WREADY | P_ARREADY) & ~m->out.ctl;
    set_active(BIT_MEM + port, m->n_reads || m->n_writes || m->n_w || waiting);
    memcpy(out_words, &m->out, axi_resp_size(m->knobs.bytes));
}
