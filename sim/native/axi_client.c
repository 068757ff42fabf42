/* Client port: an AXI4 master that plays batches of requests queued by Python.
 *
 * Requests start in order; each presents its address at the first edge that its gap, its fence and
 * the outstanding limit allow and its channel is free. Write data follows in order of addresses.
 */
#include "axi.h"
#include "axi_client.h"
#include "batch.h"
#include "core.h"

struct batch {
    uint32_t id;
    uint32_t n, next, left;  /* requests, next to present, unanswered */
    const struct request *requests;
    struct response *responses;
    uint8_t *bytes;
};

struct flight {
    struct batch *batch;
    uint32_t index;
    uint16_t beat;
    uint32_t at;  /* bytes of data passed */
};

struct client {
    struct client_knobs knobs;
    struct rng rng_r, rng_b, rng_w;
    VEC(struct batch *) batches;      /* those with an unanswered request, oldest first */
    VEC(struct flight) reads, writes; /* answered in order per id */
    VEC(struct flight) data;          /* writes whose data is not yet all sent */
    struct flight on_ar, on_aw;
    uint64_t last_issue;
    uint32_t outstanding;
    struct axi_req out;
};
static struct client clients[MAX_CLIENTS];

static void drop(struct client *c)
{
    for (size_t i = 0; i < c->batches.n; i++) free(c->batches.at[i]);
    c->batches.n = c->reads.n = c->writes.n = c->data.n = 0;
}

void clients_reset(void)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        struct client *c = &clients[i];
        drop(c);
        rng_seed(&c->rng_r, world.seed + world.cycle, (uint64_t)(0x2000 + 16 * i));
        rng_seed(&c->rng_b, world.seed + world.cycle, (uint64_t)(0x2001 + 16 * i));
        rng_seed(&c->rng_w, world.seed + world.cycle, (uint64_t)(0x2002 + 16 * i));
        c->last_issue = 0;
        c->outstanding = 0;
        memset(&c->out, 0, sizeof c->out);
        set_active(BIT_CLIENT + i, c->knobs.bytes != 0);
    }
}

struct client_knobs *sim_client_knobs(int port)
{
    return &clients[port].knobs;
}

/* Play `n` requests after those queued before; fires `id` when the last is answered. */
void sim_client_queue(int port, uint32_t id, const struct request *requests,
                      struct response *responses, uint32_t n, uint8_t *bytes)
{
    struct batch *b = calloc(1, sizeof *b);
    if (!b) abort();
    *b = (struct batch){id, n, 0, n, requests, responses, bytes};
    VEC_PUSH(&clients[port].batches, b);
    set_active(BIT_CLIENT + port, 1);
}

static void answered(struct client *c, struct flight *f)
{
    struct batch *b = f->batch;
    c->outstanding--;
    if (--b->left) return;
    fire(b->id);
    for (size_t i = 0; i < c->batches.n; i++)
        if (c->batches.at[i] == b) {
            VEC_REMOVE(&c->batches, i);
            break;
        }
    free(b);
}

static int same(const struct flight *a, const struct flight *b)
{
    return a->batch == b->batch && a->index == b->index;
}

static int find(struct flight *flights, size_t n, unsigned id)
{
    for (size_t i = 0; i < n; i++)
        if (flights[i].batch->requests[flights[i].index].id == id) return (int)i;
    return -1;
}

static void take_r(struct client *c, int port, const struct axi_resp *in)
{
    unsigned id = in->ctl >> 24, resp = in->ctl >> 8 & 3;
    int i = find(c->reads.at, c->reads.n, id);
    if (i < 0) {
        fault("client%d: R beat with id %u that no read waits for", port, id);
        return;
    }
    struct flight *f = &c->reads.at[i];
    if ((c->out.ctl & Q_ARVALID) && same(f, &c->on_ar)) {
        fault("client%d: R with id %u before ARREADY", port, id);
        return;
    }
    const struct request *q = &f->batch->requests[f->index];
    struct response *r = &f->batch->responses[f->index];
    uint64_t addr = axi_beat(q->addr, q->len, q->size, q->burst, f->beat);
    unsigned lane = addr & (c->knobs.bytes - 1), n = (1u << q->size) - (addr & ((1u << q->size) - 1));
    memcpy(f->batch->bytes + q->data + f->at, (const uint8_t *)in->rdata + lane, n);
    f->at += n;
    if (f->beat == 0) r->first = world.cycle;
    if (resp > r->resp) r->resp = resp;
    r->beats = ++f->beat;
    if (!!(in->ctl & P_RLAST) != (f->beat > q->len))
        fault("client%d: RLAST is %d at beat %u of %u (id %u, addr %#llx)", port,
              !!(in->ctl & P_RLAST), f->beat, q->len + 1, id, (unsigned long long)q->addr);
    if (f->beat > q->len) {
        struct flight done = *f;
        r->done = world.cycle;
        VEC_REMOVE(&c->reads, i);
        answered(c, &done);
    }
}

static void take_b(struct client *c, int port, const struct axi_resp *in)
{
    unsigned id = in->ctl >> 16 & 0xff;
    int i = find(c->writes.at, c->writes.n, id);
    if (i < 0) {
        fault("client%d: B with id %u that no write waits for", port, id);
        return;
    }
    struct flight done = c->writes.at[i];
    struct response *r = &done.batch->responses[done.index];
    int early = (c->out.ctl & Q_AWVALID) && same(&done, &c->on_aw);
    for (size_t k = 0; k < c->data.n; k++) early |= same(&done, &c->data.at[k]);
    if (early) {
        fault("client%d: B with id %u before its address and data", port, id);
        return;
    }
    r->first = r->done = world.cycle;
    r->resp = in->ctl >> 6 & 3;
    r->beats = 1;
    VEC_REMOVE(&c->writes, i);
    answered(c, &done);
}

/* Put the address of request `f` on its channel. */
static void present(struct client *c, struct flight f)
{
    const struct request *q = &f.batch->requests[f.index];
    struct axi_addr a = {
        .attr = q->id | (uint32_t)q->len << 8 | (uint32_t)q->size << 16 |
                (uint32_t)q->burst << 19 | (uint32_t)q->lock << 21 | (uint32_t)q->cache << 22 |
                (uint32_t)q->prot << 26,
        .addr_lo = (uint32_t)q->addr, .addr_hi = (uint32_t)(q->addr >> 32),
    };
    uint64_t user = q->ssid | (uint64_t)q->ssv << 20 | (uint64_t)q->sid << 21; /* StreamUser */
    a.user_lo = (uint32_t)user;
    a.user_hi = (uint32_t)(user >> 32);
    f.batch->responses[f.index].issue = world.cycle + 1;
    c->last_issue = world.cycle + 1;
    c->outstanding++;
    if (q->write) {
        c->out.aw = a;
        c->out.ctl |= Q_AWVALID;
        c->on_aw = f;
        VEC_PUSH(&c->writes, f);
        VEC_PUSH(&c->data, f);
    } else {
        c->out.ar = a;
        c->out.ctl |= Q_ARVALID;
        c->on_ar = f;
        VEC_PUSH(&c->reads, f);
    }
}

static void present_next(struct client *c)
{
    for (size_t i = 0; i < c->batches.n; i++) {
        struct batch *b = c->batches.at[i];
        for (; b->next < b->n; b->next++) {
            const struct request *q = &b->requests[b->next];
            if (c->out.ctl & (q->write ? Q_AWVALID : Q_ARVALID)) return;
            if (c->outstanding >= c->knobs.outstanding) return;
            if ((q->flags & REQ_FENCE) && c->outstanding) return;
            if (world.cycle + 1 < c->last_issue + q->gap) return;
            present(c, (struct flight){.batch = b, .index = b->next});
        }
    }
}

/* Put the next beat of write data on the W channel. */
static void present_data(struct client *c)
{
    if (!c->data.n || rng_chance(&c->rng_w, c->knobs.w_stall)) return;
    struct flight *f = &c->data.at[0];
    const struct request *q = &f->batch->requests[f->index];
    uint64_t addr = axi_beat(q->addr, q->len, q->size, q->burst, f->beat);
    unsigned lane = addr & (c->knobs.bytes - 1), n = (1u << q->size) - (addr & ((1u << q->size) - 1));
    const uint8_t *data = f->batch->bytes + q->data;
    uint64_t strobe = axi_lanes(lane, lane + n);
    if (q->flags & REQ_STROBES) {
        unsigned first = (1u << q->size) - (q->addr & ((1u << q->size) - 1));
        const uint8_t *enable = data + (q->burst == FIXED ? first * (q->len + 1u)
                                                          : first + ((unsigned)q->len << q->size));
        for (unsigned k = 0; k < n; k++)
            if (!enable[f->at + k]) strobe &= ~(1ull << (lane + k));
    }
    memset(c->out.wdata, 0, sizeof c->out.wdata);
    memcpy((uint8_t *)c->out.wdata + lane, data + f->at, n);
    c->out.strobe_lo = (uint32_t)strobe;
    c->out.strobe_hi = (uint32_t)(strobe >> 32);
    c->out.ctl &= ~(uint32_t)Q_WLAST;
    c->out.ctl |= Q_WVALID;
    f->at += n;
    if (f->beat++ == q->len) c->out.ctl |= Q_WLAST;
}

/* One edge of client port `port`. in: struct axi_resp, out: struct axi_req, cut after the data. */
void sim_client(int port, const uint32_t *in_words, uint32_t *out_words)
{
    struct client *c = &clients[port];
    struct axi_resp in;
    if (in_reset(BIT_CLIENT + port)) {
        memset(out_words, 0, axi_req_size(c->knobs.bytes));
        return;
    }
    memcpy(&in, in_words, axi_resp_size(c->knobs.bytes));
    if ((c->out.ctl & Q_ARVALID) && (in.ctl & P_ARREADY)) {
        c->out.ctl &= ~(uint32_t)Q_ARVALID;
        c->on_ar.batch->responses[c->on_ar.index].accept = world.cycle;
    }
    if ((c->out.ctl & Q_AWVALID) && (in.ctl & P_AWREADY)) {
        c->out.ctl &= ~(uint32_t)Q_AWVALID;
        c->on_aw.batch->responses[c->on_aw.index].accept = world.cycle;
    }
    if ((c->out.ctl & Q_WVALID) && (in.ctl & P_WREADY)) {
        if (c->out.ctl & Q_WLAST) VEC_REMOVE(&c->data, 0);
        c->out.ctl &= ~(uint32_t)Q_WVALID;
    }
    if ((in.ctl & P_RVALID) && (c->out.ctl & Q_RREADY)) take_r(c, port, &in);
    if ((in.ctl & P_BVALID) && (c->out.ctl & Q_BREADY)) take_b(c, port, &in);
    present_next(c);
    if (!(c->out.ctl & Q_WVALID)) present_data(c);
    c->out.ctl &= ~(uint32_t)(Q_RREADY | Q_BREADY);
    if (!rng_chance(&c->rng_r, c->knobs.r_stall)) c->out.ctl |= Q_RREADY;
    if (!rng_chance(&c->rng_b, c->knobs.b_stall)) c->out.ctl |= Q_BREADY;
    set_active(BIT_CLIENT + port, c->batches.n != 0);
    memcpy(out_words, &c->out, axi_req_size(c->knobs.bytes));
}
