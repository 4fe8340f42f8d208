/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every size that a peer process, a file or a config can choose has its limit here. */
#define LIMIT_NAME 31		     /* bytes of a VM, device or model name, without NUL */
#define LIMIT_DEVICES 64	     /* devices of one VM */
#define LIMIT_RANGES 8		     /* ranges of one device */
#define LIMIT_LINES 16		     /* interrupt lines of one device */
#define LIMIT_REGS 512		     /* rules {offset, width, way} of one range */
#define LIMIT_RANGE_TABLED 65536     /* bytes of a range that can have per-register ways */
#define LIMIT_OPTIONS 64	     /* options of one device */
#define LIMIT_OPTION_BYTES 4096	     /* bytes of one option's value */
#define LIMIT_FDS 24		     /* descriptors of one device: back-ends and memory grants */
#define LIMIT_MSG_BYTES (256 * 1024) /* one control message on the wire */
#define LIMIT_UNPACK_BYTES (1024 * 1024) /* memory one unpacked control message may take */
#define LIMIT_CMDLINE 2047 /* bytes of the guest's kernel command line (arm64 COMMAND_LINE_SIZE) */
#define LIMIT_STATE_BYTES (1024 * 1024) /* a device's state arena */
#define LIMIT_TOKEN 32			/* hex digits of a dock token */
#define LIMIT_VCPUS 64
