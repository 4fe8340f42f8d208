/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page of `outrigger top`: an interval as lines of text, and what its keys do. Nothing here touches a terminal.
 */
#include "launcher/json.h"
#include "launcher/topstat.h"

enum top_sort {
	TOP_BY_CONFIG, /* the order of the config */
	TOP_BY_ACCESSES,
	TOP_BY_REQUESTS,
	TOP_BY_BYTES,
	TOP_BY_LATENCY, /* p99 */
	TOP_BY_INTERRUPTS,
	TOP_SORTS
};

/** struct top_ui - how the page looks. */
struct top_ui {
	unsigned width;	 /* columns; at least TOP_WIDTH_MIN count */
	unsigned height; /* lines that there is room for; 0: as many as it takes */
	bool colour;
	bool live; /* keys work: they are shown */
	bool paused;
	enum top_sort sort;
};
#define TOP_WIDTH_MIN 40u

/** enum top_action - what a key asks for. */
enum top_action { TOP_NOTHING, TOP_REDRAW, TOP_QUIT, TOP_SUSPEND };

/** top_key - takes one typed byte: q, Ctrl-C and Ctrl-D quit, s changes the order, p or space pauses, Ctrl-Z suspends. */
enum top_action top_key(struct top_ui *ui, char c);

/** top_render - appends the page: lines of at most ui->width columns, each ended by a newline. Sorts @v's devices. */
void top_render(struct top_view *v, const struct top_ui *ui, struct sb *out);

/** top_json - appends @v as one JSON object. */
void top_json(const struct top_view *v, struct sb *out);

/** top_number - @v in at most 5 characters: 0.5, 812, 9.31k, 14.2M; "-" for 0. Returns @buf. */
char *top_number(char buf[16], double v);
/** top_time - @ns likewise: 512n, 8.2u, 131u, 2.1m, 1.1s. */
char *top_time(char buf[16], uint64_t ns);
