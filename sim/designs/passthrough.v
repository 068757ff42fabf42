// A stand-in for the real design: client0 -> mem0 with address unchanged (combinational, so a
// wire's latency), registers on cfg, a trace record per accepted address, and interrupts on
// request. Same flat ports as module `substream`.
//   cfg 0x0  scratch (64 bits)     cfg 0x8  read only: cycles since reset
//   cfg 0x10 write: pulse irq wires, bits 0 evtq, 1 gerror
module substream(clk, rst,
  client0__awid, client0__awaddr, client0__awlen, client0__awsize, client0__awburst,
  client0__awlock, client0__awcache, client0__awprot, client0__awuser, client0__awvalid,
  client0__awready, client0__arid, client0__araddr, client0__arlen, client0__arsize,
  client0__arburst, client0__arlock, client0__arcache, client0__arprot, client0__aruser,
  client0__arvalid, client0__arready, client0__wdata, client0__wstrb, client0__wlast,
  client0__wvalid, client0__wready, client0__bid, client0__bresp, client0__bvalid,
  client0__bready, client0__rid, client0__rdata, client0__rresp, client0__rlast,
  client0__rvalid, client0__rready,
  mem0__awid, mem0__awaddr, mem0__awlen, mem0__awsize, mem0__awburst, mem0__awlock,
  mem0__awcache, mem0__awprot, mem0__awvalid, mem0__awready, mem0__arid, mem0__araddr,
  mem0__arlen, mem0__arsize, mem0__arburst, mem0__arlock, mem0__arcache, mem0__arprot,
  mem0__arvalid, mem0__arready, mem0__wdata, mem0__wstrb, mem0__wlast, mem0__wvalid,
  mem0__wready, mem0__bid, mem0__bresp, mem0__bvalid, mem0__bready, mem0__rid, mem0__rdata,
  mem0__rresp, mem0__rlast, mem0__rvalid, mem0__rready,
  cfg__awaddr, cfg__awprot, cfg__awvalid, cfg__awready, cfg__wdata, cfg__wstrb, cfg__wvalid,
  cfg__wready, cfg__bresp, cfg__bvalid, cfg__bready, cfg__araddr, cfg__arprot, cfg__arvalid,
  cfg__arready, cfg__rdata, cfg__rresp, cfg__rvalid, cfg__rready,
  irq__evtq, irq__gerror, trace0__valid, trace0__record);
  input clk;
  input rst;
  input [7:0] client0__awid;
  input [63:0] client0__awaddr;
  input [7:0] client0__awlen;
  input [2:0] client0__awsize;
  input [1:0] client0__awburst;
  input client0__awlock;
  input [3:0] client0__awcache;
  input [2:0] client0__awprot;
  input [52:0] client0__awuser;
  input client0__awvalid;
  output client0__awready;
  input [7:0] client0__arid;
  input [63:0] client0__araddr;
  input [7:0] client0__arlen;
  input [2:0] client0__arsize;
  input [1:0] client0__arburst;
  input client0__arlock;
  input [3:0] client0__arcache;
  input [2:0] client0__arprot;
  input [52:0] client0__aruser;
  input client0__arvalid;
  output client0__arready;
  input [127:0] client0__wdata;
  input [15:0] client0__wstrb;
  input client0__wlast;
  input client0__wvalid;
  input client0__bready;
  input client0__rready;
  output client0__wready;
  output [7:0] client0__bid;
  output [1:0] client0__bresp;
  output client0__bvalid;
  output [7:0] client0__rid;
  output [127:0] client0__rdata;
  output [1:0] client0__rresp;
  output client0__rlast;
  output client0__rvalid;
  output [7:0] mem0__awid;
  output [51:0] mem0__awaddr;
  output [7:0] mem0__awlen;
  output [2:0] mem0__awsize;
  output [1:0] mem0__awburst;
  output mem0__awlock;
  output [3:0] mem0__awcache;
  output [2:0] mem0__awprot;
  output mem0__awvalid;
  input mem0__awready;
  output [7:0] mem0__arid;
  output [51:0] mem0__araddr;
  output [7:0] mem0__arlen;
  output [2:0] mem0__arsize;
  output [1:0] mem0__arburst;
  output mem0__arlock;
  output [3:0] mem0__arcache;
  output [2:0] mem0__arprot;
  output mem0__arvalid;
  input mem0__arready;
  output [127:0] mem0__wdata;
  output [15:0] mem0__wstrb;
  output mem0__wlast;
  output mem0__wvalid;
  output mem0__bready;
  output mem0__rready;
  input mem0__wready;
  input [7:0] mem0__bid;
  input [1:0] mem0__bresp;
  input mem0__bvalid;
  input [7:0] mem0__rid;
  input [127:0] mem0__rdata;
  input [1:0] mem0__rresp;
  input mem0__rlast;
  input mem0__rvalid;
  input [16:0] cfg__awaddr;
  input [2:0] cfg__awprot;
  input cfg__awvalid;
  output cfg__awready;
  input [16:0] cfg__araddr;
  input [2:0] cfg__arprot;
  input cfg__arvalid;
  output cfg__arready;
  input [63:0] cfg__wdata;
  input [7:0] cfg__wstrb;
  input cfg__wvalid;
  input cfg__bready;
  input cfg__rready;
  output cfg__wready;
  output [1:0] cfg__bresp;
  output cfg__bvalid;
  output [63:0] cfg__rdata;
  output [1:0] cfg__rresp;
  output cfg__rvalid;
  output irq__evtq;
  output irq__gerror;
  output trace0__valid;
  output [194:0] trace0__record;

  assign mem0__awid = client0__awid;
  assign mem0__awlen = client0__awlen;
  assign mem0__awsize = client0__awsize;
  assign mem0__awburst = client0__awburst;
  assign mem0__awlock = client0__awlock;
  assign mem0__awcache = client0__awcache;
  assign mem0__awprot = client0__awprot;
  assign mem0__awvalid = client0__awvalid;
  assign mem0__awaddr = client0__awaddr[51:0];
  assign client0__awready = mem0__awready;
  assign mem0__arid = client0__arid;
  assign mem0__arlen = client0__arlen;
  assign mem0__arsize = client0__arsize;
  assign mem0__arburst = client0__arburst;
  assign mem0__arlock = client0__arlock;
  assign mem0__arcache = client0__arcache;
  assign mem0__arprot = client0__arprot;
  assign mem0__arvalid = client0__arvalid;
  assign mem0__araddr = client0__araddr[51:0];
  assign client0__arready = mem0__arready;
  assign mem0__wdata = client0__wdata;
  assign mem0__wstrb = client0__wstrb;
  assign mem0__wlast = client0__wlast;
  assign mem0__wvalid = client0__wvalid;
  assign mem0__bready = client0__bready;
  assign mem0__rready = client0__rready;
  assign client0__wready = mem0__wready;
  assign client0__bid = mem0__bid;
  assign client0__bresp = mem0__bresp;
  assign client0__bvalid = mem0__bvalid;
  assign client0__rid = mem0__rid;
  assign client0__rdata = mem0__rdata;
  assign client0__rresp = mem0__rresp;
  assign client0__rlast = mem0__rlast;
  assign client0__rvalid = mem0__rvalid;
  wire ar = client0__arvalid & client0__arready;
  wire aw = client0__awvalid & client0__awready;
  assign trace0__valid = ar | aw;
  assign trace0__record = {(ar ? client0__araddr[51:0] : client0__awaddr[51:0]),
    1'b0,
    1'b1,
    2'd0,
    (ar ? client0__arsize : client0__awsize),
    (ar ? client0__arlen : client0__awlen),
    (ar ? client0__arid : client0__awid),
    (ar ? client0__arprot[2] : client0__awprot[2]),
    (ar ? client0__arprot[0] : client0__awprot[0]),
    ar,
    (ar ? client0__araddr : client0__awaddr),
    (ar ? client0__aruser[19:0] : client0__awuser[19:0]),
    (ar ? client0__aruser[20] : client0__awuser[20]),
    (ar ? client0__aruser[52:21] : client0__awuser[52:21])};

  reg [63:0] scratch, cycles, rdata;
  reg bvalid, rvalid, evtq, gerror;
  wire write = cfg__awvalid & cfg__wvalid & ~bvalid;
  wire read = cfg__arvalid & ~rvalid;
  integer i;
  assign cfg__awready = write;
  assign cfg__wready = write;
  assign cfg__arready = ~rvalid;
  assign cfg__bvalid = bvalid;
  assign cfg__rvalid = rvalid;
  assign cfg__rdata = rdata;
  assign cfg__bresp = 2'd0;
  assign cfg__rresp = 2'd0;
  assign irq__evtq = evtq;
  assign irq__gerror = gerror;
  always @(posedge clk) begin
    cycles <= cycles + 64'd1;
    evtq <= write & cfg__awaddr[4] & cfg__wdata[0];
    gerror <= write & cfg__awaddr[4] & cfg__wdata[1];
    if (write) begin
      bvalid <= 1'b1;
      if (cfg__awaddr[4:3] == 2'd0)
        for (i = 0; i < 8; i = i + 1)
          if (cfg__wstrb[i]) scratch[8 * i +: 8] <= cfg__wdata[8 * i +: 8];
    end else if (cfg__bready) bvalid <= 1'b0;
    if (read) begin
      rvalid <= 1'b1;
      rdata <= cfg__araddr[3] ? cycles : scratch;
    end else if (cfg__rready) rvalid <= 1'b0;
    if (rst) begin
      scratch <= 64'd0;
      cycles <= 64'd0;
      bvalid <= 1'b0;
      rvalid <= 1'b0;
      evtq <= 1'b0;
      gerror <= 1'b0;
    end
  end
endmodule
