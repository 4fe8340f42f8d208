/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/term.h"
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "base/bytes.h"

enum { CTRL_A = 1 };

static struct {
	struct termios saved;
	int fd;
	volatile sig_atomic_t raw;
	bool hooked;
} term = {.fd = -1};

void term_restore(void)
{
	if (term.raw) {
		term.raw = 0;
		tcsetattr(term.fd, TCSADRAIN, &term.saved);
	}
}

/* Our own crash: leave the terminal usable, then die of the same signal. tcsetattr is
 * async-signal-safe. */
static void fatal(int sig)
{
	term_restore();
	raise(sig);
}

static void raw_set(void)
{
	struct termios t = term.saved;
	cfmakeraw(&t);
	/* The guest's own terminal line gives its newlines; output stays as the guest wrote it. */
	tcsetattr(term.fd, TCSANOW, &t);
	term.raw = 1;
}

bool term_raw(int fd)
{
	static const int fatals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	if (!isatty(fd) || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &term.saved) < 0)
		return false;
	term.fd = fd;
	if (!term.hooked) {
		atexit(term_restore);
		for (size_t i = 0; i < ARRAY_LEN(fatals); i++) {
			struct sigaction sa = {.sa_handler = fatal, .sa_flags = (int)SA_RESETHAND};
			sigaction(fatals[i], &sa, NULL);
		}
		term.hooked = true;
	}
	raw_set();
	return true;
}

bool term_is_raw(void)
{
	return term.raw;
}

void term_again(void)
{
	if (term.raw)
		raw_set();
}

const char *term_eol(void)
{
	return term.raw ? "\r\n" : "\n";
}

size_t term_filter(struct term_escape *e, const char *in, size_t n, char *out, size_t *ret_used,
		   enum term_key *ret_key)
{
	size_t len = 0, i = 0;
	*ret_key = TERM_NONE;
	for (; i < n && *ret_key == TERM_NONE; i++) {
		if (!e->pending) {
			if (in[i] == CTRL_A)
				e->pending = true;
			else
				out[len++] = in[i];
			continue;
		}
		e->pending = false;
		if (in[i] == CTRL_A)
			out[len++] = in[i];
		else if (in[i] == 'x' || in[i] == 'X')
			*ret_key = TERM_QUIT;
		else if (in[i] == 'h' || in[i] == '?')
			*ret_key = TERM_HELP;
		else
			*ret_key = TERM_UNKNOWN;
	}
	*ret_used = i;
	return len;
}
