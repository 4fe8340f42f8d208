/* SPDX-License-Identifier: Apache-2.0 */
/* Model-specific registers that nobody has: an exception, and the guest goes on. */
#include "rt.h"

void test_main(void)
{
	group("written");
	CATCH(wrmsr(0xdeadbeef, 1));
	CHECK_EQ(exc.vector, 13);
	group("read");
	CATCH(rdmsr(0xdeadbeef));
	CHECK_EQ(exc.vector, 13);
	group("many");
	for (uint32_t i = 0; i < 200; i++) {
		exc_reset();
		CATCH(rdmsr(0xdead0000 + i));
		CHECK_EQ(exc.vector, 13);
	}
	group("served by the core");
	exc_reset();
	CHECK_EQ(rdmsr(0x34), 0);
	wrmsr(0x610, 0x1234);
	CHECK_EQ(rdmsr(0x610), 0);
	CHECK_EQ(exc.count, 0);
	group("what is there");
	wrmsr(0xc0000102, 0x123456789abcull);
	CHECK_EQ(rdmsr(0xc0000102), 0x123456789abcull);
	wrmsr(0x277, rdmsr(0x277));
	CHECK_EQ(rdmsr(0x2ff) & 0xc00, 0x800);
}
