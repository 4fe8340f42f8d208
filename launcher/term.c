/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/term.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "base/bytes.h"

enum { CTRL_A = 1 };

static struct {
	struct termios saved;
	int fd;
	volatile sig_atomic_t raw, screen;
	int screen_fd;
	bool hooked;
} term = {.fd = -1};

/* Async-signal-safe: a fatal signal comes here too. */
static void screen_set(bool on)
{
	static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l";
	ssize_t n = on ? write(term.screen_fd, enter, sizeof(enter) - 1)
		       : write(term.screen_fd, leave, sizeof(leave) - 1);
	(void)n; /* a terminal that is gone needs no restoring */
}

bool term_size(int fd, unsigned *ret_cols, unsigned *ret_rows)
{
	struct winsize w;
	if (ioctl(fd, TIOCGWINSZ, &w) < 0 || !w.ws_col || !w.ws_row)
		return false;
	*ret_cols = w.ws_col;
	*ret_rows = w.ws_row;
	return true;
}

void term_restore(void)
{
	if (term.screen) {
		term.screen = 0;
		screen_set(false);
	}
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

/* exit() and fatal signals restore the terminal from now on. */
static void hook(void)
{
	static const int fatals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	if (term.hooked)
		return;
	term.hooked = true;
	atexit(term_restore);
	for (size_t i = 0; i < ARRAY_LEN(fatals); i++) {
		struct sigaction sa = {.sa_handler = fatal, .sa_flags = (int)SA_RESETHAND};
		sigaction(fatals[i], &sa, NULL);
	}
}

void term_screen(int fd, bool on)
{
	if (on == (bool)term.screen)
		return;
	hook();
	term.screen_fd = fd;
	term.screen = on;
	screen_set(on);
}

static void raw_set(void)
{
	struct termios t = term.saved;
	cfmakeraw(&t);
	/* The guest's own terminal line gives its newlines; output stays as the guest wrote it. */
	tcsetattr(term.fd, TCSANOW, &t);
	term.raw = 1;
}

/* A terminal of another session (a pty that a script made) has no foreground for us, and reading it stops nobody: ENOTTY. */
static bool in_background(int fd)
{
	pid_t front = tcgetpgrp(fd);
	return front != getpgrp() && !(front < 0 && errno == ENOTTY);
}

bool term_raw(int fd)
{
	if (!isatty(fd) || in_background(fd) || tcgetattr(fd, &term.saved) < 0)
		return false;
	term.fd = fd;
	hook();
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
