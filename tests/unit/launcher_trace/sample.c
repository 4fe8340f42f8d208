/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "proto/trace_payload.h"

#define S(x) ((char *)(uintptr_t)(x))

static uint8_t buf[65536];
static size_t len;

static void put(struct port_entry e, const void *payload, size_t n)
{
	if (n) {
		e.flags |= PORT_F_PAYLOAD;
		e.seq |= (uint64_t)n << 32;
	}
	memset(buf + len, 0, trace_record_bytes(&e));
	memcpy(buf + len, &e, sizeof(e));
	if (n)
		memcpy(buf + len + sizeof(e), payload, n);
	len += trace_record_bytes(&e);
}

static void flush(struct trace_file_writer *w, unsigned device, unsigned ring, uint64_t lost)
{
	CHECK(!trace_file_records(w, device, ring, buf, len, lost, NULL));
	len = 0;
}

static void describe(struct trace_file_writer *w)
{
	Outrigger__FieldDescription en = OUTRIGGER__FIELD_DESCRIPTION__INIT, wlen = en, size = en;
	char *bits[] = {S("5 bits"), S("6 bits"), S("7 bits"), S("8 bits")};
	Outrigger__RegisterDescription ctl = OUTRIGGER__REGISTER_DESCRIPTION__INIT, data = ctl;
	Outrigger__RegionDescription region = OUTRIGGER__REGION_DESCRIPTION__INIT,
				     *regions = &region;
	Outrigger__OptionDescription net = OUTRIGGER__OPTION_DESCRIPTION__INIT, *options = &net;
	Outrigger__ModelDescription d = OUTRIGGER__MODEL_DESCRIPTION__INIT;
	Outrigger__TraceDevice t = OUTRIGGER__TRACE_DEVICE__INIT;
	Outrigger__FieldDescription *fields[] = {&en, &wlen, &size};
	Outrigger__RegisterDescription *regs[] = {&ctl, &data};
	en.name = S("EN"), en.bits = 1;
	wlen.name = S("WLEN"), wlen.lsb = 1, wlen.bits = 2, wlen.n_values = 4, wlen.values = bits;
	size.name = S("SIZE"), size.lsb = 16, size.bits = 8;
	ctl.name = S("CTL"), ctl.width = 4, ctl.n_fields = 3, ctl.fields = fields;
	data.name = S("DATA"), data.offset = 0x10, data.width = 2, data.count = 4, data.stride = 4;
	region.n_regs = 2, region.regs = regs;
	net.name = S("net"), net.type = S("net");
	d.n_regions = 1, d.regions = &regions, d.n_options = 1, d.options = &options;
	t.device = S("net0"), t.model = S("virtio-net"), t.description = &d;
	CHECK(!trace_file_device(w, &t, NULL));
	t.device = S("uart0"), t.model = S("pl011"), t.description = NULL;
	CHECK(!trace_file_device(w, &t, NULL));
}

static void start(uint32_t us)
{
	Outrigger__TraceStart s = OUTRIGGER__TRACE_START__INIT;
	uint8_t packed[256];
	s.model = S("virtio-net"), s.model_version = 3, s.epoch = 2,
	s.build_id = S("0123456789abcdef");
	s.reason = S("asked"), s.guest_ns = us * 1000ull, s.real_ns = 1700000000000000000u;
	put((struct port_entry){.op = TRACE_START, .time_us = us}, packed,
	    outrigger__trace_start__pack(&s, packed));
}

static void queue_records(void)
{
	struct {
		struct trace_vring r;
		struct trace_chain c;
		struct trace_seg s[2];
		char data[5];
	} pop = {.c = {.id = 7, .nout = 1, .nin = 1, .known = 5, .out_bytes = 5, .in_bytes = 12},
		 .s = {{0x1000, 5}, {0x2000, 12}},
		 .data = "hello"};
	struct {
		struct trace_vring r;
		struct trace_pushed p;
		uint8_t data[4];
	} push = {.p = {.id = 7, .known = 4}, .data = {0, 1, 2, 255}};
	put((struct port_entry){.op = TRACE_QUEUE, .range = TRACE_Q_POP, .aux = 1, .value = 1},
	    &pop, offsetof(__typeof__(pop), data) + 5);
	put((struct port_entry){.op = TRACE_QUEUE, .range = TRACE_Q_POP, .aux = 1}, NULL, 0);
	put((struct port_entry){.op = TRACE_QUEUE, .range = TRACE_Q_PUSH, .aux = 1, .value = 12},
	    &push, offsetof(__typeof__(push), data) + 4);
	put((struct port_entry){.op = TRACE_QUEUE, .range = TRACE_Q_SHOULD_SIGNAL, .value = 1},
	    NULL, 0);
}

/* A frame of 60 bytes, of which @known of it and its header were recorded. */
static void frame(unsigned what, uint64_t value, uint32_t known, uint8_t fill)
{
	struct {
		struct trace_frame f;
		uint8_t header[12], eth[60];
	} p = {.f = {.bytes = 72, .known = known}};
	memset(p.eth, 0xff, 6);
	memset(p.eth + 6, 2, 6);
	p.eth[12] = 0x88, p.eth[13] = 0xb5; /* local experimental (IEEE 802) */
	memset(p.eth + 14, fill, 46);
	put((struct port_entry){.op = TRACE_HOST, .range = (uint8_t)what, .value = value}, &p,
	    sizeof(p.f) + known);
}

static void daemon_records(struct trace_file_writer *w)
{
	struct trace_submit submit = {.op = 2, .tag = 4, .offset = 4096, .bytes = 512};
	start(1000);
	put((struct port_entry){.op = PORT_OP_WRITE,
				.width = 4,
				.value = 0x30007,
				.seq = 1,
				.time_us = 1010},
	    NULL, 0);
	put((struct port_entry){.op = TRACE_SHADOW, .width = 4, .value = 0x7}, NULL, 0);
	put((struct port_entry){.op = TRACE_IRQ, .value = 1 | 2ull << 32, .offset = 3}, NULL, 0);
	put((struct port_entry){.op = TRACE_CLOCK, .value = 5, .range = 1}, NULL,
	    0); /* of the read */
	put((struct port_entry){.op = TRACE_LOG}, "a \033[2Jline\n", 10);
	put((struct port_entry){.op = PORT_OP_READ,
				.width = 2,
				.offset = 0x18,
				.value = 0xbeef,
				.seq = 2,
				.time_us = 2000},
	    NULL, 0);
	queue_records();
	put((struct port_entry){.op = TRACE_HOST, .range = TRACE_H_DISK_SUBMIT}, &submit,
	    sizeof(submit));
	frame(TRACE_H_LINK_SEND, 0, 72, 1);
	put((struct port_entry){.op = PORT_OP_DOORBELL, .value = 1, .time_us = 3000}, NULL, 0);
	frame(TRACE_H_LINK_PEEK, 72, 40, 2); /* looked at twice, taken once */
	frame(TRACE_H_LINK_PEEK, 72, 40, 2);
	put((struct port_entry){.op = TRACE_HOST, .range = TRACE_H_LINK_SKIP}, NULL, 0);
	frame(TRACE_H_LINK_SEND, -11ull, 72, 3); /* no room: not sent */
	put((struct port_entry){.op = TRACE_HOST_CALL,
				.range = TRACE_CALL_LINK_READY,
				.time_us = 4000},
	    NULL, 0);
	put((struct port_entry){.op = TRACE_HOST_CALL,
				.range = TRACE_CALL_DISK_DONE,
				.time_us = 4000,
				.value = 9 | (uint64_t)(uint32_t)-5 << 32},
	    NULL, 0);
	put((struct port_entry){.op = TRACE_COMMIT, .time_us = 4100}, NULL, 0);
	flush(w, 0, TRACE_RING_DM, 0);
	put((struct port_entry){.op = TRACE_HOST_IN, .range = 0, .time_us = 5000}, "hi\r\n", 4);
	put((struct port_entry){.op = TRACE_HOST_OUT}, "\1\2\3", 3);
	put((struct port_entry){.op = TRACE_HOST_TAKEN, .value = 3, .time_us = 5001}, NULL, 0);
	put((struct port_entry){.op = TRACE_HOST_PEER, .value = 1, .time_us = 5002}, NULL, 0);
	put((struct port_entry){.op = TRACE_CONTROL, .value = 22, .time_us = 5003}, "link=up", 7);
	put((struct port_entry){.op = TRACE_TIMER, .value = 5004000, .time_us = 5004}, NULL, 0);
	put((struct port_entry){.op = TRACE_WORK, .value = 1, .time_us = 5005}, NULL, 0);
	put((struct port_entry){.op = TRACE_RANDOM}, "\xde\xad\xbe\xef", 4);
	put((struct port_entry){.op = TRACE_DMA_READ, .value = 0x4000}, "xy", 2);
	put((struct port_entry){.op = TRACE_DMA_WRITE, .value = 0x4000, .offset = 14}, NULL, 0);
	put((struct port_entry){.op = PORT_OP_RESET, .seq = 3, .time_us = 6000}, NULL, 0);
	put((struct port_entry){.op = PORT_OP_SYNC, .seq = 4, .time_us = 6001}, NULL, 0);
	put((struct port_entry){.op = 0x3f, .value = 6, .time_us = 6002}, NULL, 0);
	put((struct port_entry){.op = TRACE_START, .time_us = 6003}, "\xff\xff\xff", 3);
	flush(w, 0, TRACE_RING_DM, 640);
}

static void hv_records(struct trace_file_writer *w)
{
	put((struct port_entry){.op = TRACE_LINE, .value = 1, .time_us = 1020}, NULL, 0);
	put((struct port_entry){.op = TRACE_LINE, .value = 2, .range = 1, .time_us = 1021}, NULL,
	    0);
	put((struct port_entry){.op = TRACE_LINE, .time_us = 5010}, NULL, 0);
	flush(w, 0, TRACE_RING_LINES, 0);
	put((struct port_entry){.op = PORT_OP_WRITE,
				.width = 4,
				.value = 0x30007,
				.seq = 1,
				.time_us = 1015,
				.aux = trace_latency(1500)},
	    NULL, 0);
	put((struct port_entry){.op = PORT_OP_READ,
				.flags = PORT_F_SHADOW,
				.width = 4,
				.value = 7,
				.time_us = 1500},
	    NULL, 0);
	put((struct port_entry){.op = PORT_OP_READ,
				.width = 2,
				.offset = 0x18,
				.value = 0xbeef,
				.seq = 2,
				.time_us = 2010,
				.aux = trace_latency(25000)},
	    NULL, 0);
	put((struct port_entry){.op = PORT_OP_DOORBELL, .value = 1, .time_us = 2990}, NULL, 0);
	put((struct port_entry){.op = TRACE_POLICY,
				.width = 4,
				.offset = 0x44,
				.value = 0xffffffff,
				.time_us = 4500},
	    NULL, 0);
	flush(w, 0, TRACE_RING_VCPU, 0);
	put((struct port_entry){.op = PORT_OP_WRITE,
				.flags = PORT_F_POSTED,
				.width = 1,
				.offset = 0x44,
				.value = 65,
				.seq = 9,
				.time_us = 7000,
				.vcpu = 1},
	    NULL, 0);
	flush(w, 1, TRACE_RING_VCPU + 1, 0);
}

struct trace_file *sample_open(char path[64])
{
	struct trace_file_writer *w;
	struct trace_file *f = NULL;
	struct err err = {0};
	snprintf(path, 64, "/tmp/trace-sample.%d", getpid());
	CHECK(!trace_file_create(path, "demo", &w, NULL));
	describe(w);
	trace_file_clock(w, 8000000);
	daemon_records(w);
	hv_records(w);
	CHECK(!trace_file_finish(w, NULL));
	if (trace_file_open(path, &f, NULL, &err))
		fprintf(stderr, "%s\n", err.msg);
	CHECK(f);
	return f;
}
