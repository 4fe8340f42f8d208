/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The options of `run` and `check` that change a config. */
#include "launcher/config.h"
#include "launcher/verb.h"

/** OPTIONS_CONFIG - to be put into a verb's table. */
#define OPTIONS_CONFIG                                                                             \
	{"name", 'n', "NAME", "name of the VM (default: the file's name)", NULL},                  \
		{"set", 's', "KEY=VALUE",                                                          \
		 "override a key, such as memory=1G or devices.uart0.options.chardev=pty", NULL},  \
		{"kernel", 'k', "FILE", "kernel image", "@file"},                                  \
		{"initrd", 0, "FILE|none", "initial ramdisk", "@file"},                            \
		{"cmdline", 0, "TEXT", "replace the kernel's command line", NULL},                 \
		{"append", 'a', "TEXT", "add to the kernel's command line", NULL},                 \
		{"engine", 0, "ENGINE", "auto, soft, kvm or fake", "auto soft kvm fake"},          \
		{"cpus", 0, "N", "number of virtual CPUs", NULL},                                  \
		{"memory", 'm', "SIZE", "guest memory, such as 256M", NULL},                       \
		{"console", 0, "KIND", "auto, stdio, none or pty", "auto stdio none pty"},         \
	{                                                                                          \
		"timeout", 0, "SECONDS", "end the VM after that time, exit code 124", NULL         \
	}

/** config_from_args - loads models and the config that the operand names, with the options'
 * overrides; prints all errors. 0, or the exit code. @m and @c are to be given to their fini in any
 * case. */
int config_from_args(struct config *c, struct models *m, const struct args *a);
