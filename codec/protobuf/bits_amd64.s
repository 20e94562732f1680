#include "textflag.h"

// func cpuid(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET

// func packWords(dst *byte, src *[block]uint64, n int) int
TEXT ·packWords(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ DI, BX
	MOVQ $0x7f7f7f7f7f7f7f7f, R8
	MOVQ $0x8080808080808080, R9
	MOVL $64, R13
	TESTQ CX, CX
	JZ   packed

pack:
	MOVQ   (SI), AX
	ADDQ   $8, SI
	MOVQ   AX, R10
	SHRQ   $56, R10
	JNZ    wide
	PDEPQ  R8, AX, DX              // groups of seven bits, a byte each
	ORQ    $1, AX
	LZCNTQ AX, AX
	MOVQ   R13, R11
	SUBQ   AX, R11                 // bits
	LEAQ   (R11)(R11*8), R11
	ADDQ   $64, R11
	SHRQ   $6, R11                 // bytes: (bits*9 + 64) / 64
	LEAQ   -8(R11*8), R12
	BZHIQ  R12, R9, R12            // a top bit for all but the last
	ORQ    R12, DX
	MOVQ   DX, (DI)
	ADDQ   R11, DI
	DECQ   CX
	JNZ    pack

packed:
	SUBQ BX, DI
	MOVQ DI, ret+24(FP)
	RET

wide: // nine bytes or ten; R10 is the top eight bits
	PDEPQ R8, AX, DX
	ORQ   R9, DX
	MOVQ  DX, (DI)
	MOVB  R10, 8(DI)               // the ninth byte's top bit says that one more follows
	SHRQ  $7, R10
	MOVB  R10, 9(DI)
	LEAQ  9(DI)(R10*1), DI
	DECQ  CX
	JNZ   pack
	JMP   packed

// func unpackBlock(dst *[block]uint64, p *byte, at int) (n, next int)
TEXT ·unpackBlock(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ at+16(FP), BX
	MOVQ DI, R13

	// A bit in R8 for each byte that ends a varint.
	MOVOU    (SI), X0
	MOVOU    16(SI), X1
	MOVOU    32(SI), X2
	MOVOU    48(SI), X3
	PMOVMSKB X0, R8
	PMOVMSKB X1, R9
	PMOVMSKB X2, R10
	PMOVMSKB X3, R11
	SHLQ     $16, R9
	SHLQ     $32, R10
	SHLQ     $48, R11
	ORQ      R9, R8
	ORQ      R10, R8
	ORQ      R11, R8
	NOTQ     R8
	MOVQ     $0x7f7f7f7f7f7f7f7f, R9
	TESTQ    R8, R8
	JZ       unpacked

unpack:
	TZCNTQ R8, R10                 // where it ends
	MOVQ   R10, R11
	SUBQ   BX, R11                 // bytes but one
	CMPQ   R11, $8
	JAE    long
	LEAQ   8(R11*8), R11
	BZHIQ  R11, R9, R11            // the bits that count
	MOVQ   (SI)(BX*1), AX
	PEXTQ  R11, AX, DX

next:
	MOVQ  DX, (DI)
	ADDQ  $8, DI
	LEAQ  1(R10), BX
	BLSRQ R8, R8
	JNZ   unpack

unpacked:
	SUBQ R13, DI
	SHRQ $3, DI
	MOVQ DI, n+24(FP)
	MOVQ BX, next+32(FP)
	RET

long: // nine bytes or ten
	CMPQ    R11, $9
	JA      bad
	MOVQ    (SI)(BX*1), AX
	PEXTQ   R9, AX, DX
	MOVBQZX 8(SI)(BX*1), AX
	MOVQ    AX, R12
	SHLQ    $57, AX
	SHRQ    $1, AX                 // seven bits of it
	ORQ     AX, DX
	CMPQ    R11, $8
	JE      next
	MOVBQZX 9(SI)(BX*1), AX
	CMPQ    AX, $1
	JA      bad
	SHLQ    $63, AX
	ORQ     AX, DX
	JMP     next

bad:
	MOVQ $-1, n+24(FP)
	MOVQ $0, next+32(FP)
	RET
