/* The functions the harness calls, one per agent and clock: DPI-C binds to them as they are (a packed
 * `bit` vector is an array of 32-bit words), vpi.c wraps them as system tasks. */
#ifndef STEPS_H
#define STEPS_H
#include <stdint.h>

void sim_client(int port, const uint32_t *in, uint32_t *out);
void sim_mem(int port, const uint32_t *in, uint32_t *out);
void sim_lite(int port, const uint32_t *in, uint32_t *out);
void sim_trace(int port, const uint32_t *record);
void sim_irq(const uint32_t *wires);
void sim_sum(int number, const uint32_t *sum);
void sim_unknown(void);
void sim_tick(uint32_t *out);
#endif
