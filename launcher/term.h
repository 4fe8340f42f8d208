/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The terminal in raw mode, restored on every way out; and the Ctrl-A escapes. One terminal a
 * process. */
#include <stdbool.h>
#include <stddef.h>

/** term_raw - puts the terminal of descriptor @fd into raw mode and arranges that exit() and fatal
 * signals restore it. false: it is no terminal, or we are not in its foreground. */
bool term_raw(int fd);

/** term_restore - back to how it was; nothing if not raw. */
void term_restore(void);

/** term_is_raw - true between the two. */
bool term_is_raw(void);

/** term_again - after a stop and SIGCONT: raw again if it was raw. */
void term_again(void);

/** term_size - the size of the terminal at descriptor @fd. false: it is none, or it does not know its size. */
bool term_size(int fd, unsigned *ret_cols, unsigned *ret_rows);

/** term_screen - on: changes to the terminal's second screen, without a cursor; off, or term_restore(): back, with
 * what was there before. @fd: where the output goes. */
void term_screen(int fd, bool on);

/** term_eol - "\r\n" while raw, "\n" else: how our own messages end their lines. */
const char *term_eol(void);

/** enum term_key - what an escape asked for. */
enum term_key { TERM_NONE, TERM_QUIT, TERM_HELP, TERM_UNKNOWN };

/** struct term_escape - state of the escape parser; zero-initialise. */
struct term_escape {
	bool pending; /* Ctrl-A was seen */
};

/** term_filter - takes escapes out of the @n bytes at @in; the rest goes to @out (room for @n
 * bytes). Returns the length of it. Stops at an escape that means something: then *@ret_key says
 * which and *@ret_used how many bytes of @in were looked at. Ctrl-A Ctrl-A is one Ctrl-A. */
size_t term_filter(struct term_escape *e, const char *in, size_t n, char *out, size_t *ret_used,
		   enum term_key *ret_key);
