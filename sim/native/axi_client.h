/* Run-time settings of a client port; laid out for tb/ports.py. */
#ifndef AXI_CLIENT_H
#define AXI_CLIENT_H
#include <stdint.h>

struct client_knobs {
    uint32_t outstanding;       /* issued and unanswered at most */
    uint32_t r_stall, b_stall;  /* chance / 65536 of RREADY/BREADY being low at an edge */
    uint32_t w_stall;           /* chance / 65536 of a gap before a W beat */
    uint32_t bytes;             /* data width in bytes, <= 64; 0: no such port */
};
#endif
