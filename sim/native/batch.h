/* Work queued by Python for a client or a register port; laid out for tb/batch.py.
 *
 * Python owns the arrays and keeps them until the batch's id has fired.
 */
#ifndef BATCH_H
#define BATCH_H
#include <stdint.h>

enum { REQ_STROBES = 1, REQ_FENCE = 2 };

struct request {
    uint64_t addr;
    uint64_t data;    /* offset into the batch's bytes: write data, or where read data goes */
    uint32_t sid, ssid;
    uint32_t gap;     /* cycles from the request before to this one's valid, at least */
    uint8_t ssv, write, prot, len, size, id, burst, lock, cache;
    uint8_t flags;    /* REQ_STROBES: byte enables follow the write data;
                         REQ_FENCE: start only when all earlier requests are answered */
    uint8_t pad[2];
};

struct response {
    uint64_t issue;   /* first cycle of AxVALID */
    uint64_t accept;  /* address handshake */
    uint64_t first;   /* handshake of the first R beat, or of B */
    uint64_t done;    /* handshake of the last R beat, or of B */
    uint32_t resp;    /* the numerically largest RRESP, or BRESP */
    uint32_t beats;
};

struct lite_op {
    uint64_t addr, data;
    uint64_t issue, done;
    uint8_t write, strobe, resp, pad[5];
};
#endif
