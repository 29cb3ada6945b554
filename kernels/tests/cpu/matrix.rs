//! Views whose strides reach beyond their slice are refused.

use inkgrad_kernels::cpu::matrix::*;

#[test]
fn strides_that_cannot_be_counted_are_refused() {
    let data = [1.0f32, 2.0];
    let most = usize::MAX;
    for (rows, cols, row_stride, col_stride) in
        [(2, 1, most, 1), (3, 1, most, 1), (1, 2, 1, most), (2, 2, most, most), (most, 1, 2, 1), (most, most, 1, 1)]
    {
        let made = std::panic::catch_unwind(|| Matrix::with_strides(&data, rows, cols, row_stride, col_stride));
        assert!(made.is_err(), "({rows}, {cols}) with strides ({row_stride}, {col_stride})");
    }
    // One row never uses its row stride.
    assert_eq!(Matrix::with_strides(&data, 1, 2, most, 1).at(0, 1), 2.0);
    assert_eq!(Matrix::with_strides(&data, 1, 2, most, 1).rows(1..1).shape(), (0, 2));
}

#[test]
#[should_panic(expected = "needs 7 elements, the slice has 6")]
fn a_matrix_beyond_its_slice_is_refused() {
    Matrix::with_strides(&[0.0f32; 6], 2, 3, 4, 1);
}

#[test]
#[should_panic(expected = "two elements in one place")]
fn a_target_with_shared_places_is_refused() {
    MatrixMut::with_strides(&mut [0.0f32; 6], 2, 3, 2, 1);
}
