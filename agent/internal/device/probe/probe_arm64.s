#include "textflag.h"

#define ADD4  ADD R1, R0, R0; ADD R1, R0, R0; ADD R1, R0, R0; ADD R1, R0, R0
#define ADD16 ADD4; ADD4; ADD4; ADD4
#define ADD64 ADD16; ADD16; ADD16; ADD16

// func addChain(rounds int64)
TEXT ·addChain(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R2
	MOVD $0, R0
	MOVD $3, R1
	PCALIGN $64
loop:
	ADD64
	ADD64
	SUBS $1, R2, R2
	BNE  loop
	RET

#define FMLA4  VFMLA V1.S4, V1.S4, V0.S4; VFMLA V1.S4, V1.S4, V0.S4; VFMLA V1.S4, V1.S4, V0.S4; VFMLA V1.S4, V1.S4, V0.S4
#define FMLA16 FMLA4; FMLA4; FMLA4; FMLA4
#define FMLA64 FMLA16; FMLA16; FMLA16; FMLA16

// func floatChain(rounds int64)
TEXT ·floatChain(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R2
	MOVW $0x3f800000, R3 // 1.0
	VDUP R3, V0.S4
	VDUP R3, V1.S4
	PCALIGN $64
again:
	FMLA64
	FMLA64
	SUBS $1, R2, R2
	BNE  again
	RET

// func readBlocks(p unsafe.Pointer, blocks int64)
TEXT ·readBlocks(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD blocks+8(FP), R1
	PCALIGN $64
next:
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	SUBS $1, R1, R1
	BNE  next
	RET
