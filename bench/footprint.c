/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. PSS (proportional set size) gives each page that n processes map to each of
 * them by 1/n, so that the sum over a tree counts nothing twice. Guest RAM is left out by its
 * mapping: the only one as large as guest RAM. Where a kernel has no CONFIG_SCHED_INFO the CPU time
 * comes in clock ticks.
 */
#include "bench/footprint.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int stat_read(pid_t pid, char name[FOOTPRINT_NAME_MAX], pid_t *ret_parent,
		     uint64_t *ret_ticks)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	size_t n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = 0;
	/* The name may hold spaces and parentheses: it ends at the last one. */
	char *open = strchr(line, '('), *close = strrchr(line, ')');
	int parent;
	unsigned long user, system;
	if (!open || !close ||
	    sscanf(close + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent, &user,
		   &system) != 3)
		return -EIO;
	*close = 0;
	/* This one is cut to 15 characters; the program's file is not. */
	snprintf(name, FOOTPRINT_NAME_MAX, "%.15s", open + 1);
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	ssize_t len = readlink(path, line, sizeof line - 1);
	if (len > 0) {
		line[len] = 0;
		char *slash = strrchr(line, '/');
		snprintf(name, FOOTPRINT_NAME_MAX, "%.*s", FOOTPRINT_NAME_MAX - 1,
			 slash ? slash + 1 : line);
	}
	*ret_parent = parent;
	*ret_ticks = user + system;
	return 0;
}

/* is_vcpu - whether the thread's name is one of QEMU's for a vCPU (with -name debug-threads=on). */
static bool is_vcpu(pid_t pid, const char *tid)
{
	char path[320], name[32] = "";
	snprintf(path, sizeof path, "/proc/%d/task/%.200s/comm", pid, tid);
	FILE *f = fopen(path, "re");
	if (f && !fgets(name, sizeof name, f))
		name[0] = 0;
	if (f)
		fclose(f);
	return !strncmp(name, "CPU ", 4);
}

static uint64_t cpu_read(pid_t pid, uint64_t ticks, uint64_t *ret_vcpu)
{
	char path[320];
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	uint64_t sum = 0;
	bool found = false;
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		unsigned long long ns;
		snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", pid, d->d_name);
		FILE *f = fopen(path, "re");
		if (f && fscanf(f, "%llu", &ns) == 1) {
			sum += ns;
			*ret_vcpu += is_vcpu(pid, d->d_name) ? ns : 0;
			found = true;
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found ? sum : ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static int memory_read(struct footprint_process *p, uint64_t guest_ram_bytes)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/%d/smaps", p->pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	bool ram = false;
	unsigned long long kib, begin, end;
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%llx-%llx ", &begin, &end) == 2)
			/* Whoever maps part of it maps the memfd, whose name says what it is. */
			ram = end - begin >= guest_ram_bytes || strstr(line, "memfd:guest-ram") ||
			      strstr(line, "memfd:ram");
		else if (sscanf(line, "Pss: %llu kB", &kib) == 1)
			*(ram ? &p->guest_ram_bytes : &p->pss_bytes) += kib * 1024;
	}
	int rc = ferror(f) ? -EIO : 0;
	fclose(f);
	return rc;
}

static bool in_tree(const struct footprint *f, pid_t pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->process[i].pid == pid)
			return true;
	return false;
}

/* scan - adds the processes whose parent is in the tree. Returns how many were new. */
static size_t scan(struct footprint *f)
{
	size_t added = 0;
	DIR *dir = opendir("/proc");
	for (struct dirent *d; dir && (d = readdir(dir));) {
		pid_t pid = (pid_t)atoi(d->d_name), parent;
		uint64_t ticks;
		char name[FOOTPRINT_NAME_MAX];
		if (pid <= 0 || in_tree(f, pid) || stat_read(pid, name, &parent, &ticks) ||
		    !in_tree(f, parent) || f->n == FOOTPRINT_PROCESSES_MAX)
			continue;
		struct footprint_process *p = &f->process[f->n++];
		*p = (struct footprint_process){.pid = pid};
		p->cpu_ns = cpu_read(pid, ticks, &p->vcpu_ns);
		memcpy(p->name, name, sizeof name);
		added++;
	}
	if (dir)
		closedir(dir);
	return added;
}

int footprint_take(struct footprint *f, pid_t root, uint64_t guest_ram_bytes, int memory)
{
	*f = (struct footprint){.n = 1};
	struct footprint_process *first = &f->process[0];
	pid_t parent;
	uint64_t ticks;
	first->pid = root;
	int rc = stat_read(root, first->name, &parent, &ticks);
	if (rc)
		return rc;
	first->cpu_ns = cpu_read(root, ticks, &first->vcpu_ns);
	while (scan(f))
		;
	for (size_t i = 0; memory && i < f->n; i++) {
		rc = memory_read(&f->process[i], guest_ram_bytes);
		if (rc && rc != -ENOENT && rc != -ESRCH)
			return rc;
	}
	return 0;
}
