#include "textflag.h"

#define ADD4  ADDQ BX, AX; ADDQ BX, AX; ADDQ BX, AX; ADDQ BX, AX
#define ADD16 ADD4; ADD4; ADD4; ADD4
#define ADD64 ADD16; ADD16; ADD16; ADD16

// func addChain(rounds int64)
TEXT ·addChain(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	MOVQ $0, AX
	MOVQ $3, BX
	PCALIGN $64
loop:
	ADD64
	ADD64
	SUBQ $1, CX
	JNZ  loop
	RET

#define MUL4  MULPS X1, X0; MULPS X1, X0; MULPS X1, X0; MULPS X1, X0
#define MUL16 MUL4; MUL4; MUL4; MUL4
#define MUL64 MUL16; MUL16; MUL16; MUL16

// func floatChain(rounds int64)
TEXT ·floatChain(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	MOVL $0x3f800000, AX // 1.0
	MOVQ AX, X0
	SHUFPS $0, X0, X0
	MOVAPS X0, X1
	PCALIGN $64
again:
	MUL64
	MUL64
	SUBQ $1, CX
	JNZ  again
	RET

// func readBlocks(p unsafe.Pointer, blocks int64)
TEXT ·readBlocks(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), CX
	PCALIGN $64
next:
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	MOVOU 128(SI), X0
	MOVOU 144(SI), X1
	MOVOU 160(SI), X2
	MOVOU 176(SI), X3
	MOVOU 192(SI), X4
	MOVOU 208(SI), X5
	MOVOU 224(SI), X6
	MOVOU 240(SI), X7
	ADDQ $256, SI
	SUBQ $1, CX
	JNZ  next
	RET
