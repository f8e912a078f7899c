/*
 * Extended Cauchy coefficients over GF(2^8), polynomial 0x11d, generator 2, as a function of
 * (row, slot) only, so that rows and slots are added or dropped one by one:
 *
 *   row 0: all ones;  row j >= 1: c(j,i) = [1/(x_i ^ y_j)] / [1/(x_0 ^ y_j)]
 *   x_i = 2^-i,  y_1 = 0,  y_j = 2^(j-1) for j >= 2
 *
 * Every square submatrix of [identity; rows] is invertible for slots 0..238 and rows 0..16,
 * so any k survivors of a group give all of it (Bloemer et al., ICSI TR-95-048). Not ISA-L's
 * generators: gf_gen_rs_matrix is not always invertible, gf_gen_cauchy1_matrix changes its
 * rows when k grows.
 */
#ifndef MRMR_GROUP_COEF_H
#define MRMR_GROUP_COEF_H

#include <stdint.h>

#define GROUP_SLOTS_MAX 239
#define GROUP_ROWS_MAX 17

uint8_t gf_mul(uint8_t a, uint8_t b);
uint8_t gf_inverse(uint8_t a); /* of 0: 0 */
uint8_t group_coef(unsigned row, unsigned slot);

#endif
