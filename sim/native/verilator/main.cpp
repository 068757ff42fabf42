// Main program of a Verilator simulation under cocotb.
//
// Makes the clock itself. A time step at which nothing outside can want anything (no event from
// the native agents, no VPI callback due) is a bare evaluation; every other one goes through the
// regions of IEEE 1800 4.4 as cocotb expects them. SUBSTREAM_EXTERNAL: cocotb watches and drives
// signals of its own, so every step is of the second kind. On request (`sim_bare`) a number of cycles
// runs in a loop that does nothing but toggle the clock: what all of the above is measured against.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#include "verilated_vpi.h"
#if VM_TRACE
#include <verilated_fst_c.h>
#endif

extern "C" void vlog_startup_routines_bootstrap(void);
extern "C" uint64_t sim_bare_take(void);
extern "C" void sim_bare_done(uint64_t nanoseconds);

namespace {

constexpr uint64_t HALF_PERIOD = SUBSTREAM_HALF_PERIOD;
uint64_t now = 0;

bool value_callbacks() {
    bool any = VerilatedVpi::callValueCbs();
    if (any) {
        while (VerilatedVpi::callValueCbs()) {}
    }
    return any;
}

// Evaluate until nobody writes any more, then let observers read.
void full_step(Vtop& top) {
    do {
        do {
            top.eval();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            value_callbacks();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        value_callbacks();
    } while (VerilatedVpi::evalNeeded());
    VerilatedVpi::callCbs(cbReadOnlySynch);
}

bool somebody_waits() {
    return VerilatedVpi::hasCbs(cbReadWriteSynch) || VerilatedVpi::hasCbs(cbReadOnlySynch) ||
           VerilatedVpi::hasCbs(cbNextSimTime);
}

// The loop of a plain C++ bench, from a step at which the clock is low.
void bare_cycles(Vtop& top, uint64_t cycles) {
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t n = 0; n < cycles; n++) {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
    }
    const auto spent = std::chrono::steady_clock::now() - start;
    sim_bare_done(
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count()));
}

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }

int main(int argc, char** argv) {
    const char* waves = nullptr;
    for (int i = 1; i + 1 < argc; i++)
        if (!std::strcmp(argv[i], "--trace-file")) waves = argv[i + 1];
    Verilated::commandArgs(argc, argv);
    auto top = std::make_unique<Vtop>("");
    Verilated::fatalOnVpiError(false);  // cocotb probes for objects that need not exist
#if VM_TRACE
    VerilatedFstC trace;
    if (waves) {
        Verilated::traceEverOn(true);
        top->trace(&trace, 99);
        trace.open(waves);
    }
#endif
    vlog_startup_routines_bootstrap();
    VerilatedVpi::callCbs(cbStartOfSimulation);
    value_callbacks();
    full_step(*top);

    uint64_t next_edge = HALF_PERIOD;
    int careful = 2;  // callbacks registered late in one step show in the next
    while (!Verilated::gotFinish()) {
        const uint64_t next_callback = VerilatedVpi::cbNextDeadline();
        now = std::min(next_edge, next_callback);
        const bool edge = now == next_edge;
        if (edge) {
            top->clk = !top->clk;
            next_edge += HALF_PERIOD;
        }
        if (SUBSTREAM_EXTERNAL || careful || now == next_callback || somebody_waits()) {
            VerilatedVpi::callCbs(cbNextSimTime);
            value_callbacks();
            VerilatedVpi::callTimedCbs();
            value_callbacks();
            full_step(*top);
            careful = careful ? careful - 1 : 2;
        } else {
            const auto event = top->event_o;
            top->eval();
            if (top->event_o != event) {
                full_step(*top);
                careful = 2;
            }
        }
#if VM_TRACE
        if (waves) trace.dump(now);
#endif
        if (!top->clk) {
            if (const uint64_t cycles = sim_bare_take()) {
                bare_cycles(*top, cycles);
                next_edge += 2 * HALF_PERIOD * cycles;
            }
        }
    }
    top->final();
    VerilatedVpi::callCbs(cbEndOfSimulation);
#if VM_TRACE
    if (waves) trace.close();
#endif
#if VM_COVERAGE
    Verilated::defaultContextp()->coveragep()->write("coverage.dat");
#endif
    return 0;
}
