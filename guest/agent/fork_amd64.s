#include "textflag.h"

#define rt_sigprocmask 14
#define exit 60
#define clone3 435

// func forkAndRun(b *forkBlock)
//
// Between its two changes of the signal mask no signal can be handled, so nothing of the Go runtime runs on this thread, or
// in the child, which shares its memory and its stack and must therefore use neither.
TEXT ·forkAndRun(SB), NOSPLIT, $0-8
	MOVQ	b+0(FP), R12
	MOVQ	$rt_sigprocmask, AX
	MOVQ	$2, DI
	LEAQ	88(R12), SI
	LEAQ	96(R12), DX
	MOVQ	$8, R10
	SYSCALL
	MOVQ	$clone3, AX
	MOVQ	R12, DI
	MOVQ	$88, SI
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, 104(R12)
	MOVQ	$rt_sigprocmask, AX
	MOVQ	$2, DI
	LEAQ	96(R12), SI
	MOVQ	$0, DX
	MOVQ	$8, R10
	SYSCALL
	RET
child:
	LEAQ	128(R12), R13
	MOVQ	120(R12), BX
next:
	MOVQ	0(R13), AX
	MOVQ	8(R13), DI
	MOVQ	16(R13), SI
	MOVQ	24(R13), DX
	MOVQ	32(R13), R10
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	ADDQ	$40, R13
	DECQ	BX
	JNE	next
failed:
	NEGQ	AX
	MOVQ	AX, 112(R12)
	MOVQ	$exit, AX
	MOVQ	$253, DI
	SYSCALL
	INT	$3
