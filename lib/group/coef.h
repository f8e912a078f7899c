/*
 * Extended Cauchy coefficients over GF(2^8), polynomial 0x11d, generator 2, as a function of
 * (row, slot) only, so that rows and slots are added or dropped one by one:
 *
 *   row 0: all ones;  row j >= 1: c(j,i) = [1/(x_i ^ y_j)] / [1/(x_0 ^ y_j)]
 *   x_i = 2^-i,  y_1 = 0,  y_j = 2^(j-1) for j >= 2
 *
 * The x and y are all distinct for slots 0..238 and rows 1..16, and scaling a row changes no
 * determinant to zero; so every square submatrix of the rows is invertible, and any k
 * survivors of a group give all of it (Bloemer et al., ICSI TR-95-048). c(j,0) = 1 in every
 * row: the rows of a group of one member in slot 0 are copies. Row 1 is 2^i, the second
 * parity of the usual RAID-6.
 *
 * Not ISA-L's generators: gf_gen_rs_matrix is not always invertible, gf_gen_cauchy1_matrix
 * changes its rows when k grows. Arithmetic in the field is ISA-L's gf_mul() and gf_inv().
 * Pure functions: any thread.
 */
#ifndef MRMR_GROUP_COEF_H
#define MRMR_GROUP_COEF_H

#include <stdint.h>

#define GROUP_SLOTS_MAX 239
#define GROUP_ROWS_MAX 17

/* row < GROUP_ROWS_MAX and slot < GROUP_SLOTS_MAX (asserted). Never 0. */
uint8_t group_coef(unsigned row, unsigned slot);

#endif
