/* Register port: an AXI4-Lite master that plays batches of accesses, one access at a time. */
#include "batch.h"
#include "core.h"

enum { AWVALID = 1, WVALID = 2, BREADY = 4, ARVALID = 8, RREADY = 16 };
enum { AWREADY = 1, WREADY = 2, BVALID = 4, ARREADY = 8, RVALID = 16 };

/* Words of the bundles: to the DUT ctl ([15:8] WSTRB), address, WDATA; from it ctl (BRESP[7:6],
 * RRESP[9:8]), RDATA. */
struct lite_req {
    uint32_t ctl, addr, wdata[2];
};
struct lite_resp {
    uint32_t ctl, rdata[2];
};

struct queued {
    struct lite_op *ops;
    uint32_t id, n;
};

struct lite {
    VEC(struct queued) queue;
    uint32_t next;  /* access of queue[0] under way or due */
    int busy;
    struct lite_req out;
};
static struct lite lites[MAX_LITES];

void lites_reset(void)
{
    for (int i = 0; i < MAX_LITES; i++) {
        struct lite *l = &lites[i];
        l->queue.n = 0;
        l->next = 0;
        l->busy = 0;
        memset(&l->out, 0, sizeof l->out);
        set_active(BIT_LITE + i, 0);
    }
}

/* Play `n` accesses after those queued before; fires `id` when the last is answered. */
void sim_lite_queue(int port, uint32_t id, struct lite_op *ops, uint32_t n)
{
    VEC_PUSH(&lites[port].queue, ((struct queued){ops, id, n}));
    set_active(BIT_LITE + port, 1);
}

static void present(struct lite *l)
{
    struct lite_op *op = &l->queue.at[0].ops[l->next];
    op->issue = world.cycle + 1;
    l->busy = 1;
    l->out.addr = (uint32_t)op->addr;
    l->out.ctl = BREADY | RREADY;
    if (op->write) {
        l->out.ctl |= AWVALID | WVALID | (uint32_t)op->strobe << 8;
        memcpy(l->out.wdata, &op->data, 8);
    } else {
        l->out.ctl |= ARVALID;
    }
}

static void answered(struct lite *l, uint32_t resp)
{
    struct queued *q = &l->queue.at[0];
    struct lite_op *op = &q->ops[l->next];
    op->resp = resp & 3;
    op->done = world.cycle;
    l->busy = 0;
    l->out.ctl = 0;
    if (++l->next == q->n) {
        fire(q->id);
        VEC_REMOVE(&l->queue, 0);
        l->next = 0;
    }
}

/* One edge of register port `port`. in: struct lite_resp, out: struct lite_req. */
void sim_lite(int port, const uint32_t *in_words, uint32_t *out_words)
{
    struct lite *l = &lites[port];
    struct lite_resp in;
    if (in_reset(BIT_LITE + port)) {
        memset(out_words, 0, sizeof l->out);
        return;
    }
    memcpy(&in, in_words, sizeof in);
    if (in.ctl & AWREADY) l->out.ctl &= ~(uint32_t)AWVALID;
    if (in.ctl & WREADY) l->out.ctl &= ~(uint32_t)WVALID;
    if (in.ctl & ARREADY) l->out.ctl &= ~(uint32_t)ARVALID;
    if (in.ctl & (BVALID | RVALID)) {
        struct lite_op *op = l->busy ? &l->queue.at[0].ops[l->next] : 0;
        if (!op || op->write != !!(in.ctl & BVALID) ||
            (l->out.ctl & (AWVALID | WVALID | ARVALID))) {
            fault("register port %d: a response that no access waits for", port);
        } else {
            if (!op->write) memcpy(&op->data, in.rdata, 8);
            answered(l, op->write ? in.ctl >> 6 : in.ctl >> 8);
        }
    }
    if (!l->busy && l->queue.n) present(l);
    set_active(BIT_LITE + port, l->queue.n != 0);
    memcpy(out_words, &l->out, sizeof l->out);
}
