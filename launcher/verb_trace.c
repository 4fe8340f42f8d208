/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/trace_export.h"
#include "launcher/trace_info.h"
#include "launcher/trace_record.h"
#include "launcher/trace_walk.h"
#include "launcher/verbs.h"

enum { MODE_RECORD = 1, MODE_DECODE = 2, MODE_INFO = 4, MODE_EXPORT = 8 };

static const struct option_def options[] = {
	{"out", 'o', "FILE", "where the trace goes, - is standard output; export: the file to make",
	 "@file"},
	{"dma", 0, "hash|bytes",
	 "data that the guest moves: a hash and its beginning (default), or all of it",
	 "hash bytes"},
	{"for", 0, "DURATION", "end after so long: 10s, 500ms", NULL},
	{"count", 'n', "N", "end after so many records", NULL},
	{"max-size", 0, "SIZE", "end when the file has so many bytes: 100M", NULL},
	{"live", 'l', NULL, "decode to standard output while it runs", NULL},
	{"device", 'd', "DEVICE", "decode, export: only this device", NULL},
	{"from", 0, "RECORD|TIME",
	 "decode: from this record of the daemon's ring, or guest time (1.5s), on", NULL},
	{"to", 0, "RECORD|TIME", "decode: up to this one", NULL},
	{"raw", 0, NULL,
	 "decode: all fields as numbers, payloads in hexadecimal, and hv's records of accesses",
	 NULL},
	{"format", 'f', "chrome|vcd|pcap",
	 "export: Chrome's and Perfetto's JSON, VCD (GTKWave), or frames of a network",
	 "chrome vcd pcap"},
	OPTION_JSON,
	OPTIONS_END,
};

static const struct {
	const char *option;
	unsigned modes;
} allowed[] = {
	{"out", MODE_RECORD | MODE_EXPORT},
	{"dma", MODE_RECORD},
	{"for", MODE_RECORD},
	{"count", MODE_RECORD},
	{"max-size", MODE_RECORD},
	{"live", MODE_RECORD},
	{"device", MODE_DECODE | MODE_EXPORT},
	{"from", MODE_DECODE},
	{"to", MODE_DECODE},
	{"raw", MODE_DECODE},
	{"format", MODE_EXPORT},
	{"json", MODE_DECODE | MODE_INFO},
};

static int check_options(const struct args *a, unsigned mode, const char *word)
{
	for (int i = 0; i < a->nopts; i++)
		for (size_t k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++)
			if (!strcmp(a->opt[i]->name, allowed[k].option) &&
			    !(allowed[k].modes & mode))
				return usage_error(a->verb, "--%s has no meaning for `trace %s`",
						   a->opt[i]->name, word);
	return EXIT_DONE;
}

/* ---- recording ------------------------------------------------------------------------------------------- */

static int record(const struct args *a)
{
	struct trace_wish w = {.out = args_get(a, "out"), .live = args_flag(a, "live")};
	const char *dma = args_get(a, "dma"), *for_ = args_get(a, "for"),
		   *count = args_get(a, "count"), *size = args_get(a, "max-size");
	struct err err = {0};
	int code = check_options(a, MODE_RECORD, "VM");
	if (code)
		return code;
	if (!w.out && !w.live)
		return usage_error(a->verb, "where is the trace to go? say --out FILE, or --live");
	if (w.out && w.live && !strcmp(w.out, "-"))
		return usage_error(a->verb, "--live and --out - both want standard output");
	if (dma && strcmp(dma, "hash") != 0 && strcmp(dma, "bytes") != 0)
		return usage_error(a->verb, "--dma %s: hash or bytes", dma);
	if (for_ && text_duration(for_, true, &w.for_ns))
		return usage_error(a->verb, "--for %s: a time is 10s, 500ms, 2m", for_);
	if (count && (text_u64(count, &w.count) || !w.count))
		return usage_error(a->verb, "--count %s: a number from 1", count);
	if (size && (text_size(size, &w.max_bytes) || !w.max_bytes))
		return usage_error(a->verb, "--max-size %s: a size is 100M, 1G", size);
	w.bytes = dma && !strcmp(dma, "bytes");
	AUTO_FREE char *vm = client_vm(a->operand[0], NULL, &err);
	if (!vm)
		return fail("%s", text_printable(err.msg));
	w.vm = vm;
	w.devices = a->operand + 1;
	w.ndevices = (size_t)a->noperands - 1;
	for (size_t i = 0; i < w.ndevices; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(w.devices[i], w.devices[k]))
				return usage_error(a->verb, "device %s is named twice",
						   w.devices[i]);
	return trace_record(&w);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static int open_file(const struct args *a, struct trace_file **ret, bool *ret_cut)
{
	struct err err = {0};
	if (trace_file_open(a->operand[1], ret, ret_cut, &err))
		return fail("%s", text_printable(err.msg));
	return EXIT_DONE;
}

/* The index of --device; -1: all; -2: there is none of that name, and it was said. */
static int device_index(const struct args *a, const struct trace_file *f)
{
	const char *want = args_get(a, "device");
	AUTO_SB list = {0};
	if (!want)
		return -1;
	for (unsigned i = 0; i < trace_file_devices(f); i++) {
		if (!strcmp(trace_file_device_info(f, i)->device, want))
			return (int)i;
		sb_addf(&list, "%s%s", i ? ", " : "", trace_file_device_info(f, i)->device);
	}
	fail("%s: there is no device %s in it; there is %s", a->operand[1], want,
	     list.len ? text_printable(list.s) : "none");
	return -2;
}

/** struct bound - of --from and --to: a record's number or a time. */
struct bound {
	bool set, is_time;
	uint64_t value;
};

static bool bound_parse(const char *s, struct bound *ret)
{
	*ret = (struct bound){.set = s != NULL};
	if (!s || !text_u64(s, &ret->value))
		return true;
	ret->is_time = true;
	return !text_duration(s, false, &ret->value);
}

/* Of records without a number in the daemon's ring, the last one before them counts. */
static uint64_t position(const struct bound *b, const struct trace_view *v, const uint64_t *last)
{
	if (b->is_time)
		return v->time_ns;
	return v->ring == TRACE_RING_DM ? v->index : last[v->device];
}

static int decode(const struct args *a)
{
	struct bound from, to;
	struct trace_file *f = NULL;
	bool cut = false, json = args_flag(a, "json"), raw = args_flag(a, "raw");
	uint64_t last[TRACE_FILE_DEVICES] = {0};
	int code = check_options(a, MODE_DECODE, "decode");
	if (code)
		return code;
	if (!bound_parse(args_get(a, "from"), &from) || !bound_parse(args_get(a, "to"), &to))
		return usage_error(a->verb,
				   "--from and --to: the number of a record, or a time as 1.5s");
	code = open_file(a, &f, &cut);
	int device = code ? -2 : device_index(a, f);
	if (device == -2) {
		trace_file_close(f);
		return EXIT_FAILED;
	}
	struct trace_walk *w = trace_walk_create(f, device, raw);
	struct trace_view v;
	AUTO_SB out = {0};
	while (!ferror(stdout) && trace_walk_next(w, &v)) {
		if (v.ring == TRACE_RING_DM)
			last[v.device] = v.index;
		if ((from.set && position(&from, &v, last) < from.value) ||
		    (to.set && position(&to, &v, last) > to.value))
			continue;
		out.len = 0;
		if (json)
			trace_text_json(&v, raw, &out);
		else
			trace_text_line(&v, raw, &out);
		fwrite(sb_str(&out), 1, out.len, stdout);
	}
	trace_walk_destroy(w);
	if (cut)
		fprintf(stderr,
			"%s: its end is missing: it was cut off, or is still being written\n",
			a->operand[1]);
	trace_file_close(f);
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}

static int info(const struct args *a)
{
	struct trace_file *f = NULL;
	bool cut = false;
	AUTO_SB out = {0};
	int code = check_options(a, MODE_INFO, "info");
	if (!code)
		code = open_file(a, &f, &cut);
	if (code)
		return code;
	trace_info(f, cut, args_flag(a, "json"), &out);
	fputs(sb_str(&out), stdout);
	trace_file_close(f);
	return EXIT_DONE;
}

static int export(const struct args *a)
{
	static const char *const names[] = {"chrome", "vcd", "pcap", NULL};
	static int (*const make[])(const struct trace_file *, int, FILE *, struct err *) = {
		trace_export_chrome, trace_export_vcd, trace_export_pcap};
	const char *format = args_get(a, "format"), *path = args_get(a, "out");
	struct trace_file *f = NULL;
	struct err err = {0};
	unsigned which = 0;
	int code = check_options(a, MODE_EXPORT, "export");
	if (code)
		return code;
	while (format && names[which] && strcmp(names[which], format) != 0)
		which++;
	if (!format || !names[which])
		return usage_error(a->verb, "--format %s: chrome, vcd or pcap",
				   format ? format : "is missing");
	code = open_file(a, &f, NULL);
	int device = code ? -2 : device_index(a, f);
	if (device == -2) {
		trace_file_close(f);
		return EXIT_FAILED;
	}
	bool standard = !path || !strcmp(path, "-");
	FILE *out = standard ? stdout : fopen(path, "we");
	int rc = out ? make[which](f, device, out, &err)
		     : err_set(&err, errno, "cannot make %s: %s", path, strerror(errno));
	if (out && (fflush(out) || ferror(out)) && !rc)
		rc = err_set(&err, errno, "cannot write %s: %s",
			     standard ? "standard output" : path, strerror(errno));
	if (out && !standard && fclose(out) && !rc)
		rc = err_set(&err, errno, "cannot write %s: %s", path, strerror(errno));
	trace_file_close(f);
	if (rc && out && !standard)
		unlink(path); /* half of one is of no use */
	return rc ? fail("%s", text_printable(err.msg)) : EXIT_DONE;
}

static int trace(const struct args *a)
{
	static const struct {
		const char *word;
		int (*fn)(const struct args *a);
	} modes[] = {{"decode", decode}, {"info", info}, {"export", export}};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(a->operand[0], modes[i].word) != 0)
			continue;
		if (a->noperands != 2)
			return usage_error(a->verb, "trace %s takes one FILE", modes[i].word);
		return modes[i].fn(a);
	}
	return record(a);
}

const struct verb verb_trace = {
	.name = "trace",
	.summary =
		"Record what happens at the devices of a running VM; decode and export such files",
	.operands = "VM [DEVICE...] | decode FILE | info FILE | export FILE",
	.min_operands = 1,
	.max_operands = 8,
	.complete = "@trace",
	.options = options,
	.text = "Begins and ends at any time; nothing is restarted, and the guest does not notice. "
		"Recorded are "
		"the\n"
		"accesses of the guest with how they were answered and how long that took, "
		"interrupts, queue "
		"operations,\n"
		"what went to and came from the host, and the clock. Without DEVICE, of all "
		"devices. Ends with "
		"Ctrl-C, by\n"
		"--for, --count or --max-size, or with the VM. What could not be written fast "
		"enough is counted, "
		"and the\n"
		"file says where it is missing.\n\n"
		"`trace decode` prints one line a record; its numbers are those of `outrigger "
		"replay`. `trace info` "
		"sums up.\n"
		"`trace export` makes files for other programs. - as FILE is standard input.",
	.fn = trace,
};
